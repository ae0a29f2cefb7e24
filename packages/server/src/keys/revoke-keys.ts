import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { RevocationReason } from '@keyhold/protocol/state';
import type { Kysely } from 'kysely';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import type { Database } from '../database/schema.ts';
import { revokeKey } from './change-key-state.ts';
import { listKeys } from './keys.store.ts';
import { openForTakingAway } from './open-key.ts';

/** At a time: they share commits, and wait for the same leases. */
const AT_ONCE = 1_000;
const ROWS_PER_READ = 500;

interface Keys {
  readonly reader: Kysely<Database>;
  readonly context: ChangeContext;
}

export interface RevokedKeys {
  readonly revoked: readonly string[];
  /** The entry of each of those. */
  readonly entries: readonly { readonly key: string; readonly sequence: number }[];
  readonly refused: readonly { readonly id: string; readonly refusal: Refusal }[];
  /** Of all of them together; null where none was. */
  readonly barrier: Barrier | null;
}

/** Revokes many keys, each by itself: what is refused of one keeps none of the others alive. */
export async function revokeKeys(
  keys: Keys,
  caller: Caller,
  ids: readonly string[],
  reason: RevocationReason,
): Promise<RevokedKeys> {
  const revoked: { key: string; sequence: number }[] = [];
  const refused: { id: string; refusal: Refusal }[] = [];
  let barrier: Barrier | null = null;
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE);
    const outcomes = await Promise.all(some.map((id) => revokeOne(keys, caller, id, reason)));
    for (const [j, outcome] of outcomes.entries()) {
      const id = some[j] as string;
      if (isRefusal(outcome)) refused.push({ id, refusal: outcome });
      else {
        revoked.push({ key: id, sequence: outcome.sequence });
        barrier = barrier === null ? outcome : together(barrier, outcome);
      }
    }
  }
  return { revoked: revoked.map(({ key }) => key), entries: revoked, refused, barrier };
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

/** Ids of a consumer's keys that are not over for good, where the caller may revoke. */
export async function livingKeysOf(
  reader: Kysely<Database>,
  within: { readonly projects: readonly string[] | null; readonly environments: readonly string[] },
  consumer: string,
  nowMs: number,
): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | undefined; ; ) {
    const rows = await listKeys(reader, { ...within, consumer, after, limit: ROWS_PER_READ, nowMs });
    ids.push(...rows.filter(({ state }) => state === 'active' || state === 'suspended').map(({ id }) => id));
    if (rows.length < ROWS_PER_READ) return ids;
    after = rows.at(-1)?.id;
  }
}
