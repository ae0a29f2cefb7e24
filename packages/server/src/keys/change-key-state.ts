import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Key } from '@keyhold/protocol/operations/keys';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { RevocationReason, State } from '@keyhold/protocol/state';
import { type Attribution, attribution, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { CredentialRow, KeyRow } from '../database/schema.ts';
import { endDeliveriesOf } from '../delivery/end-deliveries.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { isStricter, mayBecome, showCredential, stateAfterRevocation, stateAt } from './key.ts';
import { keyEntry } from './key-entry.ts';
import { findSignatureKeys, listCredentials, type PlacedKey } from './keys.store.ts';
import { loadUses } from './usage.store.ts';
import { viewKey } from './view-key.ts';

interface StateChange {
  readonly action: string;
  readonly to: State;
  readonly reason?: RevocationReason;
  /** Taking away for good succeeds even when somebody wrote past the ledger. */
  readonly evenIfTampered: boolean;
}

/** Suspends a key until it is resumed. */
export function suspendKey(context: ChangeContext, caller: Caller, key: PlacedKey) {
  return takeAway(context, caller, key, { action: 'key.suspended', to: 'suspended', evenIfTampered: false });
}

/** Revokes a key with all its credentials; when this returns it is dead everywhere. */
export function revokeKey(context: ChangeContext, caller: Caller, key: PlacedKey, reason: RevocationReason) {
  const to = stateAfterRevocation(reason);
  return takeAway(context, caller, key, { action: 'key.revoked', to, reason, evenIfTampered: true });
}

/** Destroys a key for good: from now on no verifier knows it. */
export function destroyKey(context: ChangeContext, caller: Caller, key: PlacedKey) {
  return takeAway(context, caller, key, { action: 'key.destroyed', to: 'destroyed', evenIfTampered: true });
}

async function takeAway(
  context: ChangeContext,
  caller: Caller,
  placed: PlacedKey,
  change: StateChange,
): Promise<{ key: Key; barrier: Barrier } | Refusal> {
  const recorded = await recordState(context, caller, placed, change);
  if (isRefusal(recorded)) return recorded;
  for (let { left } = recorded.value; left; ) {
    // Secrets and links that its entry had no room for; whoever is let in no more meanwhile is waited for all the same.
    const { actor, side } = attribution(caller);
    const more = await recordState(context, caller, placed, change, { actor, side });
    left = !isRefusal(more) && more.value.left;
  }
  // Where a tampered row says that it lies is not where verifiers hold it.
  const { key, tampered } = recorded.value;
  const concerned = tampered ? null : new Set([placed.environment_id]);
  return { key, barrier: await context.propagation.taken(recorded.sequence, concerned) };
}

/** Resumes a suspended key. */
export async function resumeKey(
  context: ChangeContext,
  caller: Caller,
  placed: PlacedKey,
): Promise<{ key: Key; sequence: number } | Refusal> {
  const change = { action: 'key.resumed', to: 'active', evenIfTampered: false } as const;
  const recorded = await recordState(context, caller, placed, change);
  if (isRefusal(recorded)) return recorded;
  await context.propagation.given(recorded.sequence);
  return { key: recorded.value.key, sequence: recorded.sequence };
}

function recordState(
  { ledger, clock }: ChangeContext,
  caller: Caller,
  placed: PlacedKey,
  change: StateChange,
  by?: Attribution,
): Promise<Recorded<{ key: Key; tampered: boolean; left: boolean }> | Refusal> {
  const draft = { ...keyEntry(caller, placed, change.action, by), code: change.reason };
  return ledger.record(draft, async (facts) => {
    const { row: key, tampered } = change.evenIfTampered
      ? await facts.examine('keys', placed.id)
      : { row: await facts.find('keys', placed.id), tampered: false };
    if (key === undefined) return refuse('KEY_NOT_FOUND', `There is no key ${placed.id}.`, 'id');
    const now = clock.wall();
    const changed = await (tampered ? seize(facts, key, change) : move(facts, key, change, now));
    if (isRefusal(changed)) return changed;
    const kept = change.to === 'destroyed' && (await destroySecrets(facts, placed.id));
    const place = { project: placed.project_slug, environment: placed.environment_name };
    const isOver = change.to !== 'active' && change.to !== 'suspended';
    const waits = isOver && (await endLinks(facts, placed.id));
    return { key: await viewKey(facts.db, changed, place, now), tampered, left: kept || waits };
  });
}

/** Links that wait to give credentials of it: they would open nothing, and tell what did. */
async function endLinks(facts: Facts, keyId: string): Promise<boolean> {
  const credentials = await listCredentials(facts.db, [keyId]);
  return await endDeliveriesOf(
    facts,
    credentials.map(({ id }) => id),
  );
}

/**
 * What a destroyed key was verified with is destroyed too: nothing of it can be opened any more. A key that was rotated
 * often has more of it than one entry has room for.
 * @returns whether more is left
 */
async function destroySecrets(facts: Facts, keyId: string): Promise<boolean> {
  const found = await findSignatureKeys(facts.db, await listCredentials(facts.db, [keyId]));
  for (const { id } of found.values()) {
    // One that was tampered with counts twice.
    if (facts.room < 2) return true;
    const { row, tampered } = await facts.examine('signature_keys', id);
    if (row === undefined) continue;
    if (tampered) await facts.overwrite('signature_keys', row, { envelope: null });
    else if (row.envelope !== null) await facts.update('signature_keys', row, { envelope: null });
  }
  return false;
}

/**
 * A row that somebody wrote past the ledger says nothing about what verifiers hold: it is ended whatever it says. Where it
 * says worse of it than it is to become, that stays: it may be true, and harms nobody where it is not.
 */
async function seize(facts: Facts, key: KeyRow, { to, reason }: StateChange): Promise<KeyRow> {
  if (isStricter(key.state, to)) return await facts.overwrite('keys', key, {});
  return await facts.overwrite('keys', key, { state: to, reason: reason ?? null });
}

async function move(facts: Facts, key: KeyRow, { to, reason }: StateChange, nowMs: number): Promise<KeyRow | Refusal> {
  // What time has ended is deactivated to all but a revocation: that says why.
  const from = to === 'deactivated' ? key.state : stateAt(key, nowMs);
  // Repeated: nothing changes, and the caller waits for the entry that did it.
  if (from === to) return key;
  // A revocation of what is dead already repeats it, unless it says worse of it.
  if (to === 'deactivated' && key.state === 'compromised') return key;
  if (!mayBecome(from, to)) {
    return refuse('ILLEGAL_TRANSITION', `The key is ${from}; from there it can't become ${to}.`);
  }
  return await facts.update('keys', key, { state: to, reason: reason ?? (to === 'active' ? null : key.reason) });
}

/** Revokes one credential of a key; the others go on. */
export async function revokeCredential(
  { ledger, clock, propagation }: ChangeContext,
  caller: Caller,
  found: CredentialRow,
  reason: RevocationReason,
) {
  const to = stateAfterRevocation(reason);
  const draft = {
    ...attribution(caller),
    action: 'credential.revoked',
    subject: found.id,
    project: found.project_id,
    environment: found.environment_id,
    code: reason,
    locks: [found.id],
  };
  const recorded = await ledger.record(draft, async (facts) => {
    const { row: credential, tampered } = await facts.examine('credentials', found.id);
    if (credential === undefined) return refuse('CREDENTIAL_NOT_FOUND', `There is no credential ${found.id}.`, 'id');
    const { row: key } = await facts.examine('keys', credential.key_id);
    if ((credential.state === 'destroyed' || key?.state === 'destroyed') && !tampered) {
      return refuse('ILLEGAL_TRANSITION', `The credential is destroyed; from there it can't become ${to}.`);
    }
    const worse = to === 'compromised' && credential.state !== 'compromised';
    const alive = credential.state === 'active' || credential.state === 'suspended';
    const revoked = tampered
      ? await facts.overwrite('credentials', credential, { state: to, reason })
      : worse || alive
        ? await facts.update('credentials', credential, { state: to, reason })
        : credential;
    await endDeliveriesOf(facts, [found.id]);
    const uses = await loadUses(facts.db, [found.id]);
    const signatureKeys = await findSignatureKeys(facts.db, [revoked]);
    const shown = showCredential(revoked, uses.get(found.id), clock.wall(), signatureKeys.get(found.id));
    return { credential: shown, tampered };
  });
  if (isRefusal(recorded)) return recorded;
  const { credential, tampered } = recorded.value;
  const concerned = tampered ? null : new Set([found.environment_id]);
  return { credential, barrier: await propagation.taken(recorded.sequence, concerned) };
}
