import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { onEachDatabase } from './testing/databases.ts';
import { frameAttacks } from './testing/attacks-feed.ts';
import { eventually } from './testing/eventually.ts';
import { send, startInstallation, type TestInstallation } from './testing/installation.ts';
import { createMarket } from './testing/market.ts';

const CASES = Math.ceil(Number(process.env['KEYHOLD_FUZZ_CASES'] ?? 6_000) / 20);
const SEED = Number(process.env['KEYHOLD_FUZZ_SEED'] ?? 20_261_101);
const AT_ONCE = 8;
const POLICY_VIOLATION = 1008;
/** Ends a conversation: its answer says that all before it was taken. A lease also waits for what is being written. */
const LAST = 1_000_000_007;
const LEASE = JSON.stringify({ type: 'lease', request: LAST });
const QUESTION = JSON.stringify({ type: 'ask', request: LAST, payload: null });

onEachDatabase('the feed under attack', (createPlace) => {
  it('goes on for everybody else whatever a connection sends', async (t) => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    // Short, because the last revocation waits out the leases of those who were cut off.
    const market = await createMarket(installation, { leaseSeconds: 2 });
    const own = await market.issue();
    const { secret } = await createToken(installation, { scopes: ['feed'] });
    const position = await positionOf(installation);
    const waiting = fc.sample(frameAttacks(position, own), { seed: SEED, numRuns: CASES });
    t.diagnostic(`${waiting.length} hostile feed connections, seed ${SEED}`);
    const attack = async () => {
      for (let frames = waiting.pop(); frames !== undefined; frames = waiting.pop()) {
        const { granted } = await converse(installation, secret, frames);
        const asked = frames.some((frame) => String(frame).includes('"hello"'));
        assert.ok(asked || !granted, `a lease without a hello: ${frames.map(String).join(' ').slice(0, 300)}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, attack));
    await assertUnharmed(installation, market, own.keyId);
  });

  it('opens to no stranger', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const revoked = await createToken(installation, { scopes: ['feed'] });
    await installation.call('POST', `/v1/tokens/${revoked.token.id}/revoke`);
    const scoped = await createToken(installation, { scopes: ['admin', 'keys', 'read', 'verify'] });
    const known = installation.bootstrapToken;
    const wrong = `${known.slice(0, -1)}${known.endsWith('0') ? '1' : '0'}`;
    for (const token of [undefined, '', wrong, known, scoped.secret, revoked.secret, 'a'.repeat(4000)]) {
      assert.deepEqual(await open(installation, token), { status: 401 });
    }
  });

  it('tells a verifier whose token is revoked to go, at once', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    await createMarket(installation);
    const { token, secret } = await createToken(installation, { scopes: ['feed'] });
    const opened = await open(installation, secret);
    assert.ok('socket' in opened);
    const closed = new Promise<number>((resolve) => opened.socket.on('close', resolve));
    opened.socket.send(hello());
    await new Promise((resolve) => opened.socket.once('message', resolve));
    const { status } = await installation.call('POST', `/v1/tokens/${token.id}/revoke`);
    assert.equal(status, 200);
    assert.equal(await closed, POLICY_VIOLATION);
  });

  it('lets no report make a key unreadable', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const market = await createMarket(installation);
    const { keyId, credentialId } = await market.issue();
    const { secret } = await createToken(installation, { scopes: ['feed'] });
    const most = Number.MAX_SAFE_INTEGER;
    const use = { id: credentialId, count: most, lastAt: most, lastIp: 'x' };
    const payload = {
      credentials: [use],
      quotas: [{ key: keyId, periodStart: most, used: most }],
      denials: [],
      tokens: [],
    };
    const report = JSON.stringify({ type: 'report', payload });
    await converse(installation, secret, [hello(), report, report]);
    assert.equal((await installation.call('GET', `/v1/keys/${keyId}`)).status, 200);
    assert.equal((await installation.call('GET', '/v1/keys')).status, 200);
  });

  it('loses of a report what can not be read, and neither its other items nor the connection', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const market = await createMarket(installation);
    const { keyId, credentialId } = await market.issue();
    const { secret } = await createToken(installation, { scopes: ['feed'] });
    const use = { id: credentialId, count: 1, lastAt: Date.now() - 1_000, lastIp: '192.0.2.1', networks: [] };
    const quotas = [{ key: keyId, periodStart: null, used: null }];
    const none = { credentials: [], quotas: [], denials: [], refused: [], tokens: [] };
    const reports = [
      { ...none, credentials: [use], quotas },
      { ...none, credentials: [use, { ...use, lastIp: 'x'.repeat(46) }, { ...use, id: '\0' }] },
      { ...none, credentials: [{ ...use, lastAt: Date.now(), lastIp: 'no address\0' }], more: 'of another version' },
      'no report',
    ];
    const frames = reports.map((payload) => JSON.stringify({ type: 'report', payload }));
    const { granted } = await converse(installation, secret, [hello(), ...frames]);
    assert.ok(granted, 'the connection was closed');
    const used = async () => (await installation.call('GET', `/v1/keys/${keyId}`)).body.credentials[0];
    await eventually('all that could be read is counted', async () => (await used()).uses === 3);
    assert.equal((await used()).lastUsedFrom, null);
    const headers = { authorization: `Bearer ${installation.bootstrapToken}` };
    const metrics = await fetch(new URL('/metrics', installation.controlUrl), { headers });
    assert.match(await metrics.text(), /^keyhold_report_items_unreadable 5$/m);
  });

  it('takes no usage for what is beyond the token', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const market = await createMarket(installation);
    const { keyId, credentialId } = await market.issue();
    await installation.call('POST', '/v1/projects', { slug: 'other', name: 'Other' });
    const { secret } = await createToken(installation, { scopes: ['feed'], projects: ['other'] });
    const credentials = [{ id: credentialId, count: 7, lastAt: Date.now(), lastIp: '192.0.2.1' }];
    await converse(installation, secret, [
      hello(),
      JSON.stringify({ type: 'report', payload: { credentials, quotas: [], denials: [], tokens: [] } }),
    ]);
    const { body } = await installation.call('GET', `/v1/keys/${keyId}`);
    assert.equal(body.credentials[0].uses, 0);
  });

  it("lets nobody speak for another token's verifier", async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const market = await createMarket(installation);
    const { keyId, secret: credential } = await market.issue();
    await installation.call('POST', '/v1/projects', { slug: 'other', name: 'Other' });
    const { secret } = await createToken(installation, { scopes: ['feed'], projects: ['other'] });
    const { body } = await installation.call('GET', '/v1/installation');
    const victim: string = body.verifiers[0].id;
    await converse(installation, secret, [hello(victim), JSON.stringify({ type: 'bye' })], QUESTION);
    const revoked = await installation.call('POST', `/v1/keys/${keyId}/revoke`, { reason: 'unspecified' });
    assert.equal(revoked.body.barrier.acknowledged, 1, 'the verifier that holds a lease was not waited for');
    const request = { key: credential, environment: 'market/test' };
    assert.equal((await installation.verify(request)).code, 'REVOKED');
  });

  it('survives the acceptance of a restore that a liar asked for', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    await createMarket(installation);
    const { secret } = await createToken(installation, { scopes: ['feed'] });
    const position = await positionOf(installation);
    const liar = { ...position, epoch: Number.MAX_SAFE_INTEGER, sequence: Number.MAX_SAFE_INTEGER };
    await converse(installation, secret, [hello(undefined, liar)]);
    const accepted = await installation.call('POST', '/v1/installation/accept-restore');
    assert.ok(accepted.status < 500, `answered ${accepted.status}`);
    const { body } = await installation.call('GET', '/v1/installation');
    assert.ok(Number.isSafeInteger(accepted.body.acceptedEpoch ?? body.epoch), `epoch ${accepted.body.acceptedEpoch}`);
  });
});

function hello(verifier = `ver_${crypto.randomUUID()}`, position: unknown = null): string {
  return JSON.stringify({ type: 'hello', version: 1, verifier, position });
}

async function createToken(installation: TestInstallation, settings: object) {
  const { status, body } = await installation.call('POST', '/v1/tokens', { name: 'feed', ...settings });
  assert.equal(status, 201);
  return body as { token: { id: string }; secret: string };
}

async function positionOf(installation: TestInstallation) {
  const { id, epoch, sequence, hash } = (await installation.call('GET', '/v1/installation')).body;
  return { installation: id, epoch, sequence, hash };
}

/** Opens a feed connection, or says with which status it was refused. */
function open(installation: TestInstallation, token?: string): Promise<{ socket: WebSocket } | { status: number }> {
  const url = new URL('/v1/feed', installation.controlUrl);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(url, { headers, handshakeTimeout: 10_000 });
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('open', () => resolve({ socket }));
    socket.on('unexpected-response', (request, response) => {
      resolve({ status: response.statusCode ?? 0 });
      request.destroy();
    });
  });
}

/** Says all that, waits until it was read, and leaves. */
async function converse(
  installation: TestInstallation,
  token: string,
  frames: readonly (string | Buffer)[],
  last = LEASE,
) {
  const opened = await open(installation, token);
  assert.ok('socket' in opened, 'the feed did not open');
  const { socket } = opened;
  let granted = false;
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const answered = new Promise<void>((resolve) =>
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      granted ||= message.type === 'grant';
      if (message.request === LAST) resolve();
    }),
  );
  for (const frame of [...frames, last]) socket.send(frame);
  await Promise.race([closed, answered]);
  socket.terminate();
  await closed;
  return { granted };
}

async function assertUnharmed(
  installation: TestInstallation,
  market: Awaited<ReturnType<typeof createMarket>>,
  keyId: string,
) {
  const ready = await send(new URL('/health/ready', installation.controlUrl), 'GET', undefined, {});
  assert.equal(ready.status, 200);
  const fresh = await market.issue();
  const request = { key: fresh.secret, environment: 'market/test', permission: 'prices:read' };
  assert.equal((await installation.verify(request)).code, 'VALID');
  const revoked = await installation.call('POST', `/v1/keys/${fresh.keyId}/revoke`, { reason: 'superseded' });
  assert.equal(revoked.status, 200);
  assert.equal((await installation.verify(request)).code, 'REVOKED');
  for (const path of [`/v1/keys/${keyId}`, '/v1/keys', '/v1/installation', '/v1/audit/entries']) {
    assert.equal((await installation.call('GET', path)).status, 200, path);
  }
}
