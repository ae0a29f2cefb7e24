import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Seal } from '@keyhold/protocol/operations/seal';
import { StoreUnavailable } from '../database/store-fault.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { type OwnVault, openOwnVault } from '../testing/own-vault.ts';
import { expose } from './expose.ts';

const CALLER = { actor: 'tok_test' };

function mustBeSeal(answer: Seal | Refusal): Seal {
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : '');
  return answer;
}

const attemptOf = async ({ gate }: OwnVault) => {
  const { attempt } = mustBeSeal(await gate.show());
  assert.ok(attempt);
  return attempt;
};

/** Begins a change to two shares, both of which are needed. */
async function beginChange(own: OwnVault): Promise<readonly [string, string]> {
  const changed = await own.gate.change(CALLER, { kind: 'shamir', shares: 2, threshold: 2 });
  assert.ok(!isRefusal(changed));
  const [one, two] = (changed.shares ?? []).map(expose);
  assert.ok(one !== undefined && two !== undefined);
  return [one, two];
}

/** Gives each share, the first time of each without an entry; how far it came after each failure. */
async function giveTwice(
  own: OwnVault,
  shares: readonly string[],
  give: (share: string, nonce: string) => Promise<Seal | Refusal>,
): Promise<(readonly number[])[]> {
  const after: (readonly number[])[] = [];
  for (const share of shares) {
    const { nonce } = await attemptOf(own);
    own.failNextChange();
    await assert.rejects(give(share, nonce), StoreUnavailable);
    after.push((await attemptOf(own)).given);
    mustBeSeal(await give(share, nonce));
  }
  return after;
}

onEachDatabase('a share', (createPlace) => {
  it('counts only once it is entered, of a change to shares and of an attempt, and can be given again', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const shares = await beginChange(own);
    const confirming = await giveTwice(own, shares, (share, nonce) => own.gate.confirm(CALLER, share, nonce));
    assert.deepEqual(confirming, [[], [1]]);
    mustBeSeal(await own.gate.close(CALLER));
    const opening = await giveTwice(own, shares, (share, nonce) => own.gate.unseal(CALLER, { share, nonce }));
    assert.deepEqual(opening, [[], [1]]);
    assert.equal(mustBeSeal(await own.gate.show()).sealed, false);
  });

  it('stays given where beginning anew could not be entered', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const shares = await beginChange(own);
    for (const share of shares) mustBeSeal(await own.gate.confirm(CALLER, share, (await attemptOf(own)).nonce));
    mustBeSeal(await own.gate.close(CALLER));
    const { nonce } = await attemptOf(own);
    mustBeSeal(await own.gate.unseal(CALLER, { share: shares[0], nonce }));
    own.failNextChange();
    await assert.rejects(own.gate.unseal(CALLER, { reset: true }), StoreUnavailable);
    assert.deepEqual(await attemptOf(own), { nonce, given: [1], threshold: 2 });
  });
});
