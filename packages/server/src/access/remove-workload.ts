import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Kysely } from 'kysely';
import type { Database, TokenRow } from '../database/schema.ts';
import { StoreUnavailable } from '../database/store-fault.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';
import type { Recorded } from '../ledger/entry.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Facts } from '../ledger/facts.ts';
import { attribution, type Attribution, type Caller, type ChangeContext } from './change-context.ts';
import { isAlive } from './principal.ts';
import { tokenNameOf } from './token-names.ts';
import { givenTokens } from './workloads.store.ts';

/**
 * Trusts a workload no more, and revokes what it was given; when this returns none of it opens anything. It works on
 * rows that somebody wrote past the ledger too, and a repeated call waits for the barrier again.
 */
export async function removeWorkload(
  context: ChangeContext & { readonly reader: Kysely<Database> },
  caller: Caller,
  id: string,
): Promise<{ workload: WorkloadRow; tokensRevoked: number; barrier: Barrier } | Refusal> {
  const recorded = await endWorkload(context, attribution(caller), id);
  if (isRefusal(recorded)) return recorded;
  return { ...recorded.value, barrier: await context.propagation.taken(recorded.sequence, null) };
}

/** An entry names each token, and is bounded. */
const TOKENS_AT_ONCE = 50;
/** No such token lasts so long: what is older is over, whatever its row says. */
const LOOK_BACK_MS = 24 * 3_600_000;

/**
 * Ends it, and what it was given; whoever calls waits for the barrier. No exchange is under way after its own entry: each
 * holds the workload too.
 * @param also what is written in the entry that ends it
 */
export async function endWorkload(
  { ledger, clock, reader }: Pick<ChangeContext, 'ledger' | 'clock'> & { readonly reader: Kysely<Database> },
  by: Attribution,
  id: string,
  also?: (facts: Facts) => Promise<unknown>,
): Promise<Recorded<{ workload: WorkloadRow; tokensRevoked: number }> | Refusal> {
  const draft = { ...by, action: 'workload.removed', subject: id, locks: [id], evenWithoutChange: true as const };
  const removed = await ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('workloads', id);
    if (row === undefined) return noWorkload(id);
    const workload = await facts[tampered ? 'overwrite' : 'update']('workloads', row, { state: 'removed' });
    await also?.(facts);
    return workload;
  });
  if (isRefusal(removed)) return removed;
  const ended = await endTokensOf({ ledger, reader, clock }, by, { id, actors: [id] });
  const value = { workload: removed.value, tokensRevoked: ended.count };
  return { ...removed, value, sequence: ended.sequence ?? removed.sequence };
}

/** A workload or an app role, and who asked for what it was given. */
interface Given {
  readonly id: string;
  readonly actors: readonly string[];
}

/**
 * Revokes what a workload, or an app role, was given, also where somebody wrote past the ledger so that it seems over.
 * @param which what of it, where not all; what was written past the ledger is revoked anyway
 */
export async function endTokensOf(
  { ledger, reader, clock }: Pick<ChangeContext, 'ledger' | 'clock'> & { readonly reader: Kysely<Database> },
  by: Attribution,
  { id, actors }: Given,
  which: (token: TokenRow) => boolean = () => true,
): Promise<{ readonly count: number; readonly sequence: number | null }> {
  const now = clock.wall();
  const given = await givenTokens(reader, actors, tokenNameOf({ id }), now - LOOK_BACK_MS);
  const checked = await readCheckedRows(reader, ['tokens'], given);
  const living = checked.flatMap((one) => {
    if ('tampered' in one) return [one.tampered];
    const token = one.row as TokenRow;
    return isAlive(token, now) && which(token) ? [token.id] : [];
  });
  let [count, sequence]: [number, number | null] = [0, null];
  for (let i = 0; i < living.length; i += TOKENS_AT_ONCE) {
    const some = living.slice(i, i + TOKENS_AT_ONCE);
    const emptied = { actor: by.actor, side: by.side, action: 'workload.emptied', subject: id, locks: some };
    const recorded = await ledger.record(emptied, async (facts) => {
      let revoked = 0;
      for (const one of some)
        if ((await facts.takeAway('tokens', one, { state: 'deactivated' })) !== undefined) revoked++;
      return revoked;
    });
    if (isRefusal(recorded)) throw new StoreUnavailable(`tokens could not be revoked: ${recorded.refused}`);
    count += recorded.value;
    sequence = recorded.sequence;
  }
  return { count, sequence };
}

export function noWorkload(id: string): Refusal {
  return refuse('WORKLOAD_NOT_FOUND', `There is no workload ${id}.`, 'id');
}
