import assert from 'node:assert/strict';
import { it } from 'node:test';
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

function world() {
  const store = new FlakyStore();
  const signing = { replay: 'shared', replayReads: 'allow' } as const;
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }], { permissions: ['orders:*'] }, signing, store);
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
  return { store, keys, signed, code };
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
