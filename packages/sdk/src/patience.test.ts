import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { it, type TestContext } from 'node:test';
import type { Operation } from '@keyhold/protocol/operation';
import { MANAGEMENT_OPERATIONS } from '@keyhold/protocol/operations/registry';
import { createClient, createVerifierClient } from './client.ts';
import { verifyRemotely } from './verify-remotely.ts';

const AT = { url: 'http://127.0.0.1:1', token: 'any' };
const REQUEST = { key: 'k', environment: 'market/test' };

/** Lets no time pass: whoever waits hears at once that it is over. Tells how long each would have waited. */
function overAtOnce(t: TestContext): number[] {
  const waited: number[] = [];
  t.mock.method(AbortSignal, 'timeout', (ms: number) => {
    waited.push(ms);
    return AbortSignal.abort(new DOMException('over', 'TimeoutError'));
  });
  return waited;
}

it('a verifier that hangs holds nobody up longer than an online confirmation may take, twice', async (t) => {
  const waited = overAtOnce(t);
  const client = createVerifierClient(AT);
  await assert.rejects(verifyRemotely(client)(REQUEST), { name: 'TimeoutError' });
  await assert.rejects(client.verifyBatch({ requests: [REQUEST] }), { name: 'TimeoutError' });
  await assert.rejects(createVerifierClient({ ...AT, timeoutMs: 500 }).verify(REQUEST), { name: 'TimeoutError' });
  assert.deepEqual(waited, [10_000, 10_000, 500]);
});

it('a control plane that hangs is waited for as long as a taking-away may take, and for reading less', async (t) => {
  const waited = overAtOnce(t);
  const { keys } = createClient(AT);
  await assert.rejects(keys.revoke({ id: 'key_1', reason: 'superseded' }), { name: 'TimeoutError' });
  await assert.rejects(keys.list({}), { name: 'TimeoutError' });
  assert.deepEqual(waited, [310_000, 30_000]);
});

const BARRIER = { sequence: 7, acknowledged: 1, waitedOut: 1, unconfirmed: 0, elapsedMs: 303_000 };
const REVOKE = { id: 'key_1', reason: 'superseded' } as const;
const ROTATE = { id: 'key_1', overlapSeconds: 0 };

/** Node's own fetch, which here gives up on the head of the first answer after a moment. */
async function impatientFetch(): Promise<typeof fetch> {
  await assert.rejects(fetch('http://127.0.0.1:1'));
  const known = (globalThis as Record<symbol, unknown>)[Symbol.for('undici.globalDispatcher.1')];
  const Agent = (known as object).constructor as new (options: { headersTimeout: number }) => NonNullable<unknown>;
  const dispatchers = [new Agent({ headersTimeout: 50 })];
  return (url, init) => fetch(url, { ...init, dispatcher: dispatchers.pop() } as RequestInit);
}

/** Answers none but the second request; tells what was asked. */
async function answersTheSecond() {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url} ${await text(request)}`);
    if (asked.length === 2) response.end(JSON.stringify({ barrier: BARRIER }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    asked,
    connection: {
      ...AT,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      fetch: await impatientFetch(),
    },
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

it('a taking-away is asked for again where fetch gave up before the barrier was over', async () => {
  using server = await answersTheSecond();
  const { barrier } = await createClient(server.connection).keys.revoke(REVOKE);
  assert.deepEqual(barrier, BARRIER);
  assert.deepEqual(server.asked, Array(2).fill('POST /v1/keys/key_1/revoke {"reason":"superseded"}'));
});

it('so is what an Idempotency-Key makes safe to repeat', async () => {
  using server = await answersTheSecond();
  await createClient(server.connection).keys.rotate(ROTATE, { idempotencyKey: 'once' });
  assert.equal(server.asked.length, 2);
});

it('nothing else is asked for again, nor after another failure, nor a third time', async () => {
  const failures: unknown[] = [];
  const failing = (code: string) => async () => {
    const error = new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code }) });
    failures.push(error);
    throw error;
  };
  const given = (code = 'UND_ERR_HEADERS_TIMEOUT') => createClient({ ...AT, fetch: failing(code) }).keys;
  const times = async (call: Promise<unknown>) => {
    await assert.rejects(call, { message: 'fetch failed' });
    return failures.splice(0).length;
  };
  assert.equal(await times(given().rotate(ROTATE)), 1);
  assert.equal(await times(given().update({ id: 'key_1', permissions: ['a:b'] })), 1);
  assert.equal(await times(given().revokeMany({ consumer: 'cons_1', reason: 'superseded' })), 2);
  assert.equal(await times(given().revoke(REVOKE, { approval: 'appr_1' })), 1);
  assert.equal(await times(given('ECONNRESET').revoke(REVOKE)), 1);
  assert.equal(await times(given().revoke(REVOKE)), 2);
});

it('what can be asked for again takes away, and says how that was confirmed', () => {
  const again = MANAGEMENT_OPERATIONS.filter((operation: Operation) => operation.takesAway === true);
  assert.ok(again.length > 0);
  for (const { id, response } of again)
    assert.ok((response as unknown as { required: string[] }).required.includes('barrier'), id);
});
