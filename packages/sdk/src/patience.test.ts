import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
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
