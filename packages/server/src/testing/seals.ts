import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Seal, SealKind } from '@keyhold/protocol/operations/seal';
import type { TestAnswer, TestInstallation } from './installation.ts';
import type { SoftHsm } from './soft-hsm.ts';

/** What opens the present seal of a test's installation. */
export type Opener =
  | { readonly kind: 'file' }
  | { readonly kind: 'passphrase'; readonly passphrase: string }
  | { readonly kind: 'shamir'; readonly shares: readonly string[]; readonly threshold: number }
  /** Without a PIN: it lies in a file. */
  | { readonly kind: 'pkcs11'; readonly pin?: string };

type Caller = Pick<TestInstallation, 'call'>;

/** Changes the seal, with a passphrase or shares made now. */
export async function changeSeal({ call }: Caller, kind: Exclude<SealKind, 'pkcs11'>): Promise<Opener> {
  const passphrase = randomUUID();
  const threshold = 2;
  const settings = { file: {}, passphrase: { passphrase }, shamir: { shares: 3, threshold } }[kind];
  const { status, body } = await call('POST', '/v1/seal/change', { kind, ...settings });
  assert.equal(status, 200, JSON.stringify(body));
  if (kind === 'shamir') {
    await confirmSeal({ call }, body.shares.slice(0, threshold));
    return { kind, shares: body.shares, threshold };
  }
  assert.equal(body.seal.kind, kind);
  assert.equal(body.shares, undefined);
  return kind === 'file' ? { kind } : { kind, passphrase };
}

/** What a change into a token takes: its PIN, or where it lies. */
export function tokenChange({ module, tokenLabel, pin, pinFile }: SoftHsm, pinIn: 'call' | 'file') {
  return { kind: 'pkcs11', module, tokenLabel, ...(pinIn === 'call' ? { pin } : { pinFile }) } as const;
}

/** Changes the seal into one in that token. */
export async function changeSealInto({ call }: Caller, hsm: SoftHsm, pinIn: 'call' | 'file'): Promise<Opener> {
  const { status, body } = await call('POST', '/v1/seal/change', tokenChange(hsm, pinIn));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.seal.kind, 'pkcs11');
  return { kind: 'pkcs11', ...(pinIn === 'call' ? { pin: hsm.pin } : {}) };
}

/** Gives shares of a change back, until it counts. */
export async function confirmSeal({ call }: Caller, shares: readonly string[]): Promise<void> {
  const { attempt } = (await call('GET', '/v1/seal')).body as Seal;
  for (const share of shares) {
    const { status, body } = await call('POST', '/v1/seal/confirm', { share, nonce: attempt?.nonce ?? '' });
    assert.equal(status, 200, JSON.stringify(body));
  }
  const { body } = await call('GET', '/v1/seal');
  assert.deepEqual([body.kind, body.attempt], ['shamir', null]);
}

export async function closeSeal({ call }: Caller): Promise<void> {
  const { status, body } = await call('POST', '/v1/seal');
  assert.deepEqual([status, body.sealed], [200, true], JSON.stringify(body));
}

/** Opens the seal, share by share where it has shares; the last answer. */
export async function openSeal({ call }: Caller, opener: Opener): Promise<TestAnswer> {
  if (opener.kind === 'file') return await call('POST', '/v1/unseal', {});
  if (opener.kind === 'pkcs11')
    return await call('POST', '/v1/unseal', opener.pin === undefined ? {} : { pin: opener.pin });
  if (opener.kind === 'passphrase') return await call('POST', '/v1/unseal', { passphrase: opener.passphrase });
  const { attempt } = (await call('GET', '/v1/seal')).body as Seal;
  let answer: TestAnswer | undefined;
  for (const share of opener.shares.slice(-opener.threshold)) {
    answer = await call('POST', '/v1/unseal', { share, nonce: attempt?.nonce ?? '' });
  }
  assert.ok(answer);
  return answer;
}

/** Opens it, or fails saying why not. */
export async function mustOpenSeal(caller: Caller, opener: Opener): Promise<void> {
  const { status, body } = await openSeal(caller, opener);
  assert.deepEqual([status, body.sealed], [200, false], JSON.stringify(body));
}
