import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { RevocationReason } from '@keyhold/protocol/state';
import type { Kysely } from 'kysely';
import { attribution, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { Database, KeyRow } from '../database/schema.ts';
import { revokeKey } from './change-key-state.ts';
import { stateAfterRevocation } from './key.ts';
import { listKeys } from './keys.store.ts';
import { openForTakingAway } from './open-key.ts';

/** At a time: they share commits, and wait for the same leases. */
const AT_ONCE = 1_000;
/** In one change, while which nobody else commits. */
const LOOKED_AT_ONCE = 50;
const ROWS_PER_READ = 500;

interface Keys {
  readonly reader: Kysely<Database>;
  readonly context: ChangeContext;
}

export interface RevokedKeys {
  readonly revoked: readonly string[];
  /** The entry of each of those. */
  readonly entries: readonly { readonly key: string; readonly sequence: number }[];
  readonly refusals: readonly { readonly id: string; readonly refusal: Refusal }[];
  /** Of all of them together; null where none was. */
  readonly barrier: Barrier | null;
}

/** Which keys a call is about. */
export interface FoundKeys {
  /** Ids of those that it may change, the living ones first. */
  readonly changing: readonly string[];
  /** Those that are as dead as it would make them. */
  readonly dead: readonly Pick<KeyRow, 'id' | 'environment_id'>[];
}

/**
 * Revokes many keys, each by itself: what is refused of one keeps none of the others alive. What is dead already it
 * waits for again: whoever was not answered repeats the call, and the first may have ended keys in other environments
 * than are left.
 */
export async function revokeKeys(
  keys: Keys,
  caller: Caller,
  { changing, dead }: FoundKeys,
  reason: RevocationReason,
): Promise<RevokedKeys | Refusal> {
  // First: the one that was stolen does not wait until thousands that are over were looked at.
  const living = await revokeEach(keys, caller, changing, reason);
  const looked = await lookAtDead(keys.context, caller, dead);
  if (isRefusal(looked)) return looked;
  const concerned = new Set(dead.map(({ environment_id }) => environment_id));
  const [madeDead, repeated] = await Promise.all([
    revokeEach(keys, caller, looked.tampered, reason),
    dead.length === 0 ? null : keys.context.propagation.taken(looked.sequence, concerned),
  ]);
  const barriers = [living.barrier, madeDead.barrier, repeated].filter((one) => one !== null);
  return {
    revoked: [...living.revoked, ...madeDead.revoked],
    entries: [...living.entries, ...madeDead.entries],
    refusals: [...living.refusals, ...madeDead.refusals],
    barrier: barriers.length === 0 ? null : barriers.reduce(together),
  };
}

async function revokeEach(
  keys: Keys,
  caller: Caller,
  ids: readonly string[],
  reason: RevocationReason,
): Promise<RevokedKeys> {
  const revoked: { key: string; sequence: number }[] = [];
  const refusals: { id: string; refusal: Refusal }[] = [];
  let barrier: Barrier | null = null;
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE);
    const outcomes = await Promise.all(some.map((id) => revokeOne(keys, caller, id, reason)));
    for (const [j, outcome] of outcomes.entries()) {
      const id = some[j] as string;
      if (isRefusal(outcome)) refusals.push({ id, refusal: outcome });
      else {
        revoked.push({ key: id, sequence: outcome.sequence });
        barrier = barrier === null ? outcome : together(barrier, outcome);
      }
    }
  }
  return { revoked: revoked.map(({ key }) => key), entries: revoked, refusals, barrier };
}

async function revokeOne(
  { reader, context }: Keys,
  caller: Caller,
  id: string,
  reason: RevocationReason,
): Promise<Barrier | Refusal> {
  const key = await openForTakingAway({ reader, context }, 'keys.revoke', caller, id);
  if (isRefusal(key)) return key;
  const revoked = await revokeKey(context, caller, key, reason);
  return isRefusal(revoked) ? revoked : revoked.barrier;
}

/** What held for all of them. */
export function together(one: Barrier, other: Barrier): Barrier {
  return {
    sequence: Math.max(one.sequence, other.sequence),
    acknowledged: Math.min(one.acknowledged, other.acknowledged),
    waitedOut: Math.max(one.waitedOut, other.waitedOut),
    unconfirmed: Math.max(one.unconfirmed, other.unconfirmed),
    elapsedMs: Math.max(one.elapsedMs, other.elapsedMs),
  };
}

/** A consumer's keys where the caller may revoke, and what a revocation for that reason changes of them. */
export async function keysOfConsumer(
  reader: Kysely<Database>,
  within: { readonly projects: readonly string[] | null; readonly environments: readonly string[] },
  consumer: string,
  reason: RevocationReason,
  nowMs: number,
): Promise<FoundKeys> {
  const living: string[] = [];
  const worse: string[] = [];
  const dead: FoundKeys['dead'][number][] = [];
  const isWorse = stateAfterRevocation(reason) === 'compromised';
  for (let after: string | undefined; ; ) {
    const rows = await listKeys(reader, { ...within, consumer, after, limit: ROWS_PER_READ, nowMs });
    for (const { id, environment_id, state } of rows) {
      if (state === 'active' || state === 'suspended') living.push(id);
      else if (isWorse && state === 'deactivated') worse.push(id);
      else dead.push({ id, environment_id });
    }
    if (rows.length < ROWS_PER_READ) return { changing: [...living, ...worse], dead };
    after = rows.at(-1)?.id;
  }
}

/** The newest entry of keys that look dead, and which of them somebody made look so: every replica has those alive. */
async function lookAtDead(
  { ledger }: ChangeContext,
  caller: Caller,
  dead: FoundKeys['dead'],
): Promise<{ readonly sequence: number; readonly tampered: readonly string[] } | Refusal> {
  const all: string[] = [];
  let newest = 0;
  for (let i = 0; i < dead.length; i += LOOKED_AT_ONCE) {
    const some = dead.slice(i, i + LOOKED_AT_ONCE).map(({ id }) => id);
    const draft = { ...attribution(caller), action: 'key.revoked', subject: some[0] as string };
    const recorded = await ledger.record(draft, async (facts) => {
      const tampered: string[] = [];
      for (const id of some) {
        if ((await facts.examine('keys', id)).tampered) tampered.push(id);
      }
      return tampered;
    });
    if (isRefusal(recorded)) return recorded;
    all.push(...recorded.value);
    newest = Math.max(newest, recorded.sequence);
  }
  return { sequence: newest, tampered: all };
}
