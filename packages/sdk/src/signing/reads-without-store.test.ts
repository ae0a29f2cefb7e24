import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { SigningRecord } from '@keyhold/protocol/feed';
import { ENVIRONMENT } from '@keyhold/verifier/testing/records';
import type { SharedStore, Taken, TakeRequest } from '@keyhold/verifier/shared-store';
import { SigningVerifier } from '../testing/signing-verifier.ts';

const TAKEN = { limits: [], quota: null, startedAt: 0, decidedAt: 0 } as const;

/** A store that remembers what it was asked, and can be out of reach. */
class FlakyStore implements SharedStore {
  readonly ready = true;
  readonly unavailable = null;
  readonly warnings = [];
  readonly #seen = new Set<string>();
  away = false;

  async take({ replay }: TakeRequest): Promise<Taken> {
    if (this.away) return { code: 'UNAVAILABLE', reason: 'away' };
    const id = replay?.id ?? '';
    if (this.#seen.has(id)) return { ...TAKEN, code: 'REPLAYED' };
    this.#seen.add(id);
    return { ...TAKEN, code: 'VALID' };
  }

  close(): void {}
}

const READ_BY = { dialects: [{ dialect: 'rfc9421', maxAgeSeconds: 30 }], replayReads: 'allow' } as const;
const WIDER = { dialects: [{ dialect: 'rfc9421', maxAgeSeconds: 120 }] } as const;

function world({ replayReads = READ_BY.replayReads }: Partial<SigningRecord> = {}) {
  const store = new FlakyStore();
  const signing = { replay: 'shared', replayReads } as const;
  const keys = new SigningVerifier(READ_BY.dialects, { permissions: ['orders:*'] }, signing, store);
  const set = (changes: Partial<SigningRecord>) =>
    keys.fed.change([{ kind: 'signing', id: 'sign_1', environment: 'env_1', ...signing, ...READ_BY, ...changes }]);
  const signed = async (method: string) => {
    const { headers, body } = await keys.sign('rfc9421', { method, url: 'https://api.example/v1/orders' });
    return {
      method,
      target: '/v1/orders',
      scheme: 'https',
      headers: [['Host', 'api.example'], ...headers],
      body,
    } as const;
  };
  const code = async (request: Awaited<ReturnType<typeof signed>>, permission = 'orders:read') =>
    (await keys.verifier.verify({ environment: ENVIRONMENT, permission, request })).code;
  return { store, keys, set, signed, code };
}

it('a read that a store accepted is not accepted again without it, nor the other way round', async () => {
  const { store, signed, code } = world();
  const before = await signed('GET');
  assert.equal(await code(before), 'VALID');
  store.away = true;
  assert.equal(await code(before), 'REPLAYED');
  const meanwhile = await signed('HEAD');
  assert.equal(await code(meanwhile), 'VALID');
  assert.equal(await code(meanwhile), 'REPLAYED');
  store.away = false;
  assert.equal(await code(meanwhile), 'REPLAYED');
});

it('what may not go without the store is remembered by the store alone', async () => {
  const { store, keys, signed, code } = world();
  const write = await signed('POST');
  assert.equal(await code(write, 'orders:write'), 'VALID');
  assert.equal(keys.verifier.remembered.nonces, 0);
  store.away = true;
  assert.equal(await code(write, 'orders:write'), 'STORE_UNAVAILABLE');
});

for (const [change, from, to] of [
  ['may go without the store from now on', { replayReads: 'refuse' }, {}],
  ['may not go without it any more', {}, { replayReads: 'refuse' }],
] as const) {
  it(`a read goes once across an outage in which the settings change, so that reads ${change}`, async () => {
    const { store, keys, set, signed, code } = world(from);
    const before = await signed('GET');
    assert.equal(await code(before), 'VALID');
    store.away = true;
    const meanwhile = await signed('HEAD');
    await code(meanwhile);
    set(to);
    assert.notEqual(await code(before), 'VALID', 'its beginning');
    store.away = false;
    if (!('replayReads' in from)) assert.notEqual(await code(meanwhile), 'VALID', 'its end');
    keys.fed.clock.advance(2_000);
    const after = await signed('GET');
    assert.deepEqual([await code(after), await code(after)], ['VALID', 'REPLAYED']);
  });
}

it('settings that change while the store answers keep no read waiting', async () => {
  const { set, signed, code } = world();
  assert.equal(await code(await signed('GET')), 'VALID');
  set(WIDER);
  assert.equal(await code(await signed('HEAD')), 'VALID');
});
