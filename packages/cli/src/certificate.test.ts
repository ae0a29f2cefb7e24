import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AUTHORITY, CLIENT, makeCertificate } from '@keyhold/server/testing/certificates';
import { createPlace } from '@keyhold/server/testing/databases';
import { wantsOpenssl } from '@keyhold/server/testing/missing-part';
import { freePort, startProcess } from '@keyhold/server/testing/processes';
import { runKeyhold } from './testing/run-keyhold.ts';

const suite = () => {
  it('exchanges a certificate for a token that the next command is opened by', async () => {
    await using stack = new AsyncDisposableStack();
    const { folder } = stack.use(await createPlace('sqlite'));
    const own = makeCertificate(folder, { name: 'localhost', extensions: ['subjectAltName=IP:127.0.0.1'] });
    const authority = makeCertificate(folder, { name: 'services', extensions: AUTHORITY });
    const service = makeCertificate(folder, { name: 'reporter', by: authority, extensions: CLIENT });
    const port = await freePort();
    const tls = ['--tls-cert', own.certificateFile, '--tls-key', own.keyFile];
    const control = stack.use(
      await startProcess({
        args: ['serve', '--no-verifier', '--data', folder, '--port', '0', ...tls],
        env: {
          KEYHOLD_KEY_FILE: `${folder}.key`,
          KEYHOLD_VAULT_PORT: '0',
          KEYHOLD_TLS_CLIENT_CA: authority.certificateFile,
          KEYHOLD_TLS_CLIENT_PORT: String(port),
        },
      }),
    );
    const trusted = { KEYHOLD_URL: control.url, NODE_EXTRA_CA_CERTS: own.certificateFile };
    const keyhold = async (code: number, args: readonly string[], env: Record<string, string> = {}) => {
      const finished = await runKeyhold(args, { env: { ...trusted, ...env } });
      assert.equal(finished.code, code, `${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
      return finished;
    };
    const create = ['--name', 'reports', '--issuer', 'x509', '--claims', '{"cn":"reporter"}', '--scope', 'read'];
    const created = await keyhold(0, ['workloads', 'create', ...create], { KEYHOLD_DATA: folder });
    assert.match(created.stdout, /^audience +\(certificate\)$/m);

    const output = join(folder, 'token');
    writeFileSync(output, 'older');
    chmodSync(output, 0o644);
    const url = `https://127.0.0.1:${port}`;
    const shown = ['--url', url, '--cert-file', service.certificateFile, '--cert-key-file', service.keyFile];
    const exchanged = await keyhold(0, ['workloads', 'exchange', ...shown, '--output', output]);
    assert.deepEqual([exchanged.stdout, exchanged.stderr], ['', 'good for 900 seconds\n']);
    assert.equal(statSync(output).mode & 0o777, 0o600);
    assert.match(readFileSync(output, 'utf8'), /^\S{40,}$/);
    await keyhold(0, ['projects', 'list'], { KEYHOLD_TOKEN_FILE: output });

    const stranger = makeCertificate(folder, { name: 'reporter' });
    const strange = ['--url', url, '--cert-file', stranger.certificateFile, '--cert-key-file', stranger.keyFile];
    const refused = await keyhold(1, ['workloads', 'exchange', ...strange]);
    assert.match(refused.stderr, /^The certificate is not trusted here: DEPTH_ZERO_SELF_SIGNED_CERT\.$/m);
    const jwt = join(folder, 'jwt');
    writeFileSync(jwt, 'x');
    for (const [args, says] of [
      [[], /give --jwt-file, or --cert-file and --cert-key-file/],
      [shown.slice(0, 4), /give --jwt-file/],
      [[...shown, '--jwt-file', jwt], /give --jwt-file/],
      [['--url', 'http://127.0.0.1:1', ...shown.slice(2)], /by https alone/],
      [['--cert-file', folder, '--cert-key-file', folder], /file of the certificate cannot be read \(EISDIR\)/],
      [['--cert-file', jwt, '--cert-key-file', jwt], /certificate and its key cannot be used/],
    ] as const) {
      assert.match((await keyhold(2, ['workloads', 'exchange', ...args])).stderr, says);
    }
    const untrusted = await keyhold(3, ['workloads', 'exchange', ...shown], { NODE_EXTRA_CA_CERTS: '' });
    assert.match(untrusted.stderr, /UNTRUSTED: .*DEPTH_ZERO_SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS/);
    const away = await keyhold(3, ['workloads', 'exchange', '--url', 'https://127.0.0.1:1', ...shown.slice(2)]);
    assert.match(away.stderr, /UNREACHABLE: nobody answers \(ECONNREFUSED\)/);
  });
};

if (wantsOpenssl()) describe('keyhold workloads exchange, by a certificate', suite);
