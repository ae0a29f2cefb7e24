import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ENVIRONMENT, positionAt } from '@keyhold/verifier/testing/records';
import { SIGNING, SigningVerifier } from '../testing/signing-verifier.ts';

/** Signs a read as a client does now; what comes of it is the code of its verdict, as often as it is asked. */
async function signedRead(keys: SigningVerifier): Promise<() => Promise<string>> {
  const url = new URL('https://api.example/v1/orders?a=1');
  const { method, headers, body } = await keys.sign('rfc9421', { method: 'GET', url: url.href });
  const received = {
    ...{ method, target: url.pathname + url.search, scheme: 'https' as const },
    ...{ headers: [['Host', url.host] as const, ...headers], body },
  };
  const asked = { environment: ENVIRONMENT, permission: 'orders:read', request: received };
  return async () => (await keys.verifier.verify(asked)).code;
}

const KEY = { permissions: ['orders:read'] };

it('a verifier without a store guards alone only where its environment says so, whatever it says of reads', async () => {
  for (const replayReads of ['refuse', 'allow'] as const) {
    const alone = new SigningVerifier([{ dialect: 'rfc9421' }], KEY, { replay: 'verifier', replayReads });
    const read = await signedRead(alone);
    assert.deepEqual([await read(), await read()], ['VALID', 'REPLAYED']);
    const shared = new SigningVerifier([{ dialect: 'rfc9421' }], KEY, { replay: 'shared', replayReads });
    assert.equal(await (await signedRead(shared))(), 'STORE_UNAVAILABLE', `reads: ${replayReads}`);
  }
});

it('a clock that is set back accuses no client of a replay: what is not known any more is out of the window', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }], KEY);
  const { clock } = keys.fed;
  const pass = (minutes: number) => {
    for (let i = 0; i < minutes * 6; i++) {
      clock.advance(10_000);
      keys.fed.grant(30);
    }
  };
  for (let minute = 0; minute < 3; minute++) {
    const read = await signedRead(keys);
    assert.deepEqual([await read(), await read()], ['VALID', 'REPLAYED']);
    pass(2);
  }
  clock.stepWall(-3_600_000);
  pass(1);
  assert.equal(await (await signedRead(keys))(), 'TIMESTAMP_OUT_OF_WINDOW');
  pass(29);
  assert.equal(await (await signedRead(keys))(), 'TIMESTAMP_OUT_OF_WINDOW');
  pass(30);
  const read = await signedRead(keys);
  assert.deepEqual([await read(), await read()], ['VALID', 'REPLAYED']);
});

it('a change of dialects refuses what was signed before it, and nothing else, however late the first request comes', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }], KEY);
  const before = await signedRead(keys);
  keys.fed.change([{ ...SIGNING, dialects: [{ dialect: 'rfc9421', maxAgeSeconds: 120 }] }]);
  keys.fed.clock.advance(2_000);
  const first = await signedRead(keys);
  assert.deepEqual([await first(), await first(), await before()], ['VALID', 'REPLAYED', 'TIMESTAMP_OUT_OF_WINDOW']);
});

it('settings of a snapshot count from when it is whole: what the former ones let pass meanwhile goes once', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421', maxAgeSeconds: 5 }], KEY);
  const { fed } = keys;
  const [settings, others] = keys.snapshotParts([{ dialect: 'rfc9421', maxAgeSeconds: 60 }]);
  const position = positionAt(fed.sequence + 1);
  fed.snapshot(settings, position, 0, false);
  fed.clock.advance(2_000);
  const read = await signedRead(keys);
  assert.equal(await read(), 'VALID');
  fed.snapshot(others, position, 1);
  fed.clock.advance(8_000);
  assert.equal(await read(), 'TIMESTAMP_OUT_OF_WINDOW');
  assert.equal(await (await signedRead(keys))(), 'VALID');
});
