import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { isRefusal } from '@keyhold/protocol/errors';
import { ConfigError } from '../config.ts';
import { AUTHORITY, CLIENT, type MadeCertificate, makeCertificate } from '../testing/certificates.ts';
import { wantsOpenssl } from '../testing/missing-part.ts';
import { readClientCertificate } from './client-certificate.ts';
import { readMutualTls, secureOptions } from './tls.ts';

const HOUR_MS = 3_600_000;

const suite = () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-certificates-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let own: MadeCertificate;
  let authority: MadeCertificate;

  before(() => {
    own = makeCertificate(folder, { name: 'own' });
    authority = makeCertificate(folder, { name: 'services', extensions: AUTHORITY });
  });
  const tlsOf = (authoritiesFile: string) =>
    readMutualTls({ tls: own, clientCertificates: { authoritiesFile, port: 0 } });

  /** The server's end of a connection that shows this certificate. */
  async function meet({ certificate, key }: MadeCertificate, look: (socket: TLSSocket) => void): Promise<void> {
    const tls = tlsOf(authority.certificateFile);
    assert.ok(tls !== undefined);
    using stack = new DisposableStack();
    const server = createServer(secureOptions(tls)).listen(0, '127.0.0.1');
    stack.defer(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', cert: certificate, key, rejectUnauthorized: false });
    stack.defer(() => client.destroy());
    const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
    stack.defer(() => socket.destroy());
    look(socket);
  }

  it('is over when its time is, on a connection that was opened before', async () => {
    const service = makeCertificate(folder, { name: 'service', by: authority, extensions: CLIENT });
    await meet(service, (socket) => {
      const now = Date.now();
      assert.ok(!isRefusal(readClientCertificate(socket, now + HOUR_MS)));
      for (const other of [now + 25 * HOUR_MS, now - HOUR_MS, Number.NaN]) {
        const read = readClientCertificate(socket, other);
        assert.ok(isRefusal(read) && /over, or not good yet/.test(read.detail));
      }
    });
  });

  it('says each name as it is written, whatever is written in it', async () => {
    const names = ['URI.1=urn:x, DNS:admin.example', 'DNS.1=*.example', 'email.1=a@b.example', 'IP.1=2001:db8::1'];
    const extensions = [...CLIENT, 'subjectAltName=@names', '[names]', ...names];
    const service = makeCertificate(folder, { name: 'a, CN=admin', by: authority, extensions });
    await meet(service, (socket) => {
      const read = readClientCertificate(socket, Date.now());
      assert.ok(!isRefusal(read));
      const { fingerprint, ...said } = read.names;
      assert.ok(read.untilMs > Date.now() && read.untilMs <= Date.now() + 24 * HOUR_MS);
      assert.deepEqual(said, {
        cn: ['a, CN=admin'],
        dns: ['*.example'],
        uri: ['urn:x, DNS:admin.example'],
        email: ['a@b.example'],
        ip: ['2001:db8::1'],
      });
      assert.match(fingerprint, /^[0-9a-f]{64}$/);
    });
  });

  it('is asked for in the name of authorities alone, one of which is its own issuer, and of some at all', () => {
    const write = (text: string) => {
      const file = join(folder, 'authorities.crt');
      writeFileSync(file, text);
      return file;
    };
    const below = makeCertificate(folder, { name: 'below', by: authority, extensions: AUTHORITY });
    const service = makeCertificate(folder, { name: 'service', by: authority, extensions: CLIENT });
    const broken = authority.certificate.replace(/MII.{20}/, '');
    for (const [text, says] of [
      ['', /has to hold certificates in PEM/],
      [authority.key, /has to hold certificates in PEM/],
      [authority.certificate + below.certificate.slice(0, 200), /whole ones, and nothing else/],
      [authority.certificate + authority.key, /whole ones, and nothing else/],
      [broken, /cannot be read/],
      [authority.certificate + service.certificate, /no authority's \(CN=service\)/],
      [below.certificate, /lacks the authority above CN=below/],
      [own.certificate + below.certificate, /no authority's|lacks the authority above CN=below/],
    ] as const) {
      assert.throws(
        () => tlsOf(write(text)),
        (error) => error instanceof ConfigError && says.test(error.message),
      );
    }
    assert.throws(() => tlsOf(join(folder, 'none')), /cannot be read \(ENOENT\)/);
    assert.equal(tlsOf(write(`# ours\n${below.certificate}${authority.certificate}`))?.clientAuthorities?.length, 2);
  });
};

if (wantsOpenssl()) describe('a certificate of a client', suite);
