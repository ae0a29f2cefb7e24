import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, it } from 'node:test';
import { connect } from 'node:tls';
import { exchangeCertificate } from '@keyhold/sdk/exchange-certificate';
import { type ControlPlane, startControlPlane } from '../app.ts';
import { OPENS_NOTHING } from './admit-workload.ts';
import { type Exchanging, exchangeToken } from './exchange-token.ts';
import { createLog } from '../http/log.ts';
import { AUTHORITY, CLIENT, type MadeCertificate, makeCertificate } from '../testing/certificates.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { testConfig } from '../testing/installation.ts';
import { moveClock } from '../testing/moved-clock.ts';
import { wantsOpenssl } from '../testing/missing-part.ts';

const SPIFFE = 'spiffe://market.example/ns/bots/sa/trader';
const FORM = 'grant_type=client_credentials';

function suite(createPlace: () => Promise<TestPlace>): void {
  const stack = new AsyncDisposableStack();
  let place: TestPlace;
  let control: ControlPlane;
  let own: MadeCertificate;
  let authority: MadeCertificate;
  let trader: MadeCertificate;

  const issue = (name: string, names: readonly string[] = [], by = authority, days = 1) =>
    makeCertificate(place.folder, { name, by, days, extensions: [...CLIENT, ...names] });

  before(async () => {
    place = stack.use(await createPlace());
    own = makeCertificate(place.folder, { name: 'localhost', extensions: ['subjectAltName=IP:127.0.0.1'] });
    authority = makeCertificate(place.folder, { name: 'services', extensions: AUTHORITY });
    trader = issue('trader', [`subjectAltName=DNS:trader.bots.example,DNS:t.example,URI:${SPIFFE},IP:10.1.2.3`]);
    control = stack.use(
      await startControlPlane(
        testConfig(place, {
          tls: own,
          clientCertificates: { authoritiesFile: authority.certificateFile, port: 0 },
          withVerifier: false,
        }),
        createLog('silent', 'test'),
      ),
    );
  });
  after(() => stack.disposeAsync());

  /** A call of the management API, as the bootstrap token unless another is given. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  const call = async (method: string, path: string, body?: object, token?: string): Promise<any> => {
    const authorization = `Bearer ${token ?? readFileSync(control.bootstrapTokenFile, 'utf8').trim()}`;
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request(new URL(path, control.url), {
      ...{ method, ca: own.certificate, agent: false, headers: { authorization, ...json } },
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = await once(sent, 'response');
    return { status: response.statusCode, body: JSON.parse(await text(response)) };
  };
  const trust = async (claims: object, more: object = {}) => {
    const workload = { name: 'bots', issuer: 'x509', claims, scopes: ['read'], ttlSeconds: 60, ...more };
    return await call('POST', '/v1/workloads', workload);
  };
  const shown = ({ certificate, key }: Pick<MadeCertificate, 'certificate' | 'key'>) => ({
    ...{ url: control.certificateUrl ?? '', ca: own.certificate, certificate, key },
  });
  const refused = (certificate: Pick<MadeCertificate, 'certificate' | 'key'>, message: RegExp, workload?: string) =>
    assert.rejects(exchangeCertificate(shown(certificate), workload), {
      name: 'ExchangeRefused',
      status: 400,
      message,
    });
  /** What a connection of its own is answered, and the session that it leaves. */
  const speak = async (
    options: object,
    header = '',
  ): Promise<{ answer: string; session: Buffer; resumed: boolean }> => {
    const { hostname, port } = new URL(control.certificateUrl ?? '');
    const socket = connect({ host: hostname, port: Number(port), ca: own.certificate, ...options });
    const sessions: Buffer[] = [];
    socket.on('session', (session) => sessions.push(session));
    await once(socket, 'secureConnect');
    const resumed = socket.isSessionReused();
    const form = 'Content-Type: application/x-www-form-urlencoded';
    socket.write(
      `POST /v1/token-exchange HTTP/1.1\r\nHost: x\r\n${header}${form}\r\nContent-Length: ${FORM.length}\r\nConnection: close\r\n\r\n${FORM}`,
    );
    const answer = await text(socket);
    return { answer, session: sessions.at(-1) ?? Buffer.alloc(0), resumed };
  };

  it('opens what its names say, with a token that is narrow and ends soon', async () => {
    for (const claims of [
      { cn: 'trader', dns: 't.example' },
      { uri: 'spiffe://market.example/ns/*/sa/*', dns: '*.bots.example' },
      { ip: '10.1.2.3' },
    ]) {
      const { body } = await trust(claims);
      assert.deepEqual([body.workload.issuer, body.workload.audience], ['x509', null]);
      const { token, expiresInSeconds } = await exchangeCertificate(shown(trader));
      assert.equal(expiresInSeconds, 60);
      assert.equal((await call('GET', '/v1/projects', undefined, token)).status, 200);
      assert.equal((await call('POST', '/v1/projects', { slug: 'x', name: 'x' }, token)).status, 403);
      const { items } = (await call('GET', '/v1/audit/entries?action=token.exchanged')).body;
      assert.equal(items[0].actor, body.workload.id);
      assert.match(items[0].side.fingerprint, /^[0-9a-f]{64}$/);
      const removed = await call('DELETE', `/v1/workloads/${body.workload.id}`);
      assert.equal(removed.body.tokensRevoked, 1);
      assert.equal((await call('GET', '/v1/projects', undefined, token)).status, 401);
      // The certificate is as good as before, and opens nothing.
      await refused(trader, /^This opens nothing here\.$/);
    }
  });

  it('is one certificate alone where its fingerprint is asked for, and one workload where it is of several', async () => {
    const twin = issue('trader', ['subjectAltName=DNS:t.example']);
    const ids: string[] = [];
    for (const certificate of [trader, trader, twin]) {
      const { fingerprint256 } = new X509Certificate(certificate.certificate);
      const fingerprint = fingerprint256.replaceAll(':', '').toLowerCase();
      ids.push((await trust({ fingerprint })).body.workload.id);
    }
    await refused(trader, new RegExp(`(${ids[1]}.*${ids[0]}|${ids[0]}.*${ids[1]}).*by client_id`));
    assert.ok((await exchangeCertificate(shown(trader), ids[1])).token);
    await refused(trader, /opens nothing/, ids[2]);
    assert.ok((await exchangeCertificate(shown(twin))).token);
    for (const id of ids) await call('DELETE', `/v1/workloads/${id}`);
  });

  it('opens nothing with a certificate of others, that is over, for servers, or of who is no authority', async () => {
    const { body } = await trust({ cn: 'trader', dns: '*.bots.example' });
    const names = ['subjectAltName=DNS:trader.bots.example'];
    assert.ok((await exchangeCertificate(shown(trader))).token);
    const stranger = makeCertificate(place.folder, { name: 'services', extensions: AUTHORITY });
    await refused(issue('trader', names, stranger), /not trusted here: UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
    await refused(makeCertificate(place.folder, { name: 'trader' }), /not trusted here: DEPTH_ZERO_SELF_SIGNED_CERT/);
    await refused(issue('trader', names, authority, -1), /not trusted here: CERT_HAS_EXPIRED/);
    const forServers = ['basicConstraints=CA:FALSE', 'extendedKeyUsage=serverAuth'];
    await refused(
      makeCertificate(place.folder, { name: 'trader', by: authority, extensions: forServers }),
      /not trusted here: INVALID_PURPOSE/,
    );
    const child = issue('trader', names, trader);
    const chained = { ...child, certificate: child.certificate + trader.certificate };
    await refused(chained, /not trusted here: INVALID_PURPOSE/);
    for (const [name, others] of [
      ['other', names],
      ['trader', ['subjectAltName=DNS:x.trader.bots.example']],
      ['trader', ['subjectAltName=DNS:trader.bots.example.evil.example']],
    ] as const) {
      await refused(issue(name, others), /^This opens nothing here\.$/);
    }
    await call('DELETE', `/v1/workloads/${body.workload.id}`);
  });

  it('opens nothing without one, however the connection came about', async () => {
    const { body } = await trust({ cn: 'trader' });
    const none = await speak({});
    assert.match(none.answer, /^HTTP\/1\.1 400 .*"invalid_client".*No certificate of a client/s);
    const again = await speak({ session: none.session });
    assert.ok(again.resumed);
    assert.match(again.answer, /No certificate of a client/);
    // A connection of old could change its certificate later.
    const old = speak({ cert: trader.certificate, key: trader.key, maxVersion: 'TLSv1.2' });
    await assert.rejects(old, { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    const bad = issue('trader', [], makeCertificate(place.folder, { name: 'services', extensions: AUTHORITY }));
    const { session } = await speak({ cert: bad.certificate, key: bad.key });
    assert.match((await speak({ session })).answer, /not trusted here/, 'nor does a session forget what was wrong');
    for (const header of ['X-Forwarded-For: 10.1.2.3', 'Via: 1.1 mesh', 'Origin: https://other.example']) {
      const lent = await speak({ cert: trader.certificate, key: trader.key }, `${header}\r\n`);
      assert.match(lent.answer, /^HTTP\/1\.1 400 .*A proxy or a browser sent this/s);
    }
    const good = await speak({ cert: trader.certificate, key: trader.key });
    assert.match(good.answer, /^HTTP\/1\.1 200 .*"access_token"/s);
    assert.match(good.answer, /^cache-control: no-store\r$/m);
    assert.match(good.answer, /^keyhold-entry: \d+\r$/m);
    const resumed = await speak({ session: good.session });
    assert.ok(resumed.resumed);
    assert.match(resumed.answer, /^HTTP\/1\.1 200 /, 'a session goes on with the certificate that it began with');
    await call('DELETE', `/v1/workloads/${body.workload.id}`);
  });

  it('is not what a token says: nobody signs tokens in the name of certificates', async () => {
    const issuers = { issuerOf: () => 'x509', verify: async () => ({ cn: 'trader' }) };
    // It looks nothing up: there is nothing in it to look it up with.
    assert.deepEqual(
      await exchangeToken(issuers as unknown as Exchanging, '127.0.0.1', 'a token', undefined),
      OPENS_NOTHING,
    );
  });

  it('is asked for where it is exchanged, and nowhere else', async () => {
    const asking = await Promise.all(
      [control.url, control.vaultUrl, control.certificateUrl].map(async (address = '') => {
        const { hostname, port } = new URL(address);
        const socket = connect({ host: hostname, port: Number(port), ca: own.certificate });
        await once(socket, 'secureConnect');
        // Signature algorithms of the other side are known once it has asked for a certificate.
        const asked = socket.getSharedSigalgs().length > 0;
        socket.destroy();
        return asked;
      }),
    );
    assert.deepEqual(asking, [false, false, true]);
  });

  it('gives no token that outlives it', async () => {
    const { body } = await trust({ cn: 'trader' }, { ttlSeconds: 3600 });
    assert.equal((await exchangeCertificate(shown(trader))).expiresInSeconds, 3600);
    const leftMs = new X509Certificate(trader.certificate).validToDate.getTime() - Date.now();
    using _moved = moveClock(leftMs - 90_000);
    const { expiresInSeconds } = await exchangeCertificate(shown(trader));
    assert.ok(expiresInSeconds > 30 && expiresInSeconds <= 90, String(expiresInSeconds));
    await call('DELETE', `/v1/workloads/${body.workload.id}`);
  });

  it('is followed through authorities between', async () => {
    const { body } = await trust({ cn: 'trader' });
    const bots = makeCertificate(place.folder, { name: 'bots', by: authority, extensions: AUTHORITY });
    const { certificate, key } = issue('trader', [], bots);
    await refused({ certificate, key }, /not trusted here: UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
    assert.ok((await exchangeCertificate(shown({ certificate: certificate + bots.certificate, key }))).token);
    await call('DELETE', `/v1/workloads/${body.workload.id}`);
  });

  it('says what is wrong with a workload that has a certificate', async () => {
    for (const [claims, more, field] of [
      [{ cn: '*' }, {}, '/claims/cn'],
      [{ sub: 'trader' }, {}, '/claims/sub'],
      [{ fingerprint: 'AB:CD' }, {}, '/claims/fingerprint'],
      [{ fingerprint: `*${'a'.repeat(63)}` }, {}, '/claims/fingerprint'],
      [{ cn: 'a' }, { audience: 'https://keyhold.example' }, '/audience'],
      [{ cn: 'a' }, { jwksUri: 'https://ci.example' }, '/jwksUri'],
      [{ sub: 'a' }, { issuer: 'https://ci.example' }, '/audience'],
    ] as const) {
      const { status, body } = await trust(claims, more);
      assert.deepEqual([status, body.field], [400, field]);
    }
  });
}

if (wantsOpenssl()) onEachDatabase('a workload with a certificate', suite);
