import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { attribution, type Attribution, type Caller, type ChangeContext } from './change-context.ts';
import { livingTokensOf } from './workloads.store.ts';

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
  const ended = await endTokensOf({ ledger, reader, clock }, by, id);
  const value = { workload: removed.value, tokensRevoked: ended.count };
  return { ...removed, value, sequence: ended.sequence ?? removed.sequence };
}

/** Revokes what a workload, or an app role, was given. */
export async function endTokensOf(
  { ledger, reader, clock }: Pick<ChangeContext, 'ledger' | 'clock'> & { readonly reader: Kysely<Database> },
  by: Attribution,
  id: string,
): Promise<{ readonly count: number; readonly sequence: number | null }> {
  let count = 0;
  for (let sequence: number | null = null; ; ) {
    const living = (await livingTokensOf(reader, { id }, clock.wall())).slice(0, TOKENS_AT_ONCE);
    if (living.length === 0) return { count, sequence };
    const emptied = { actor: by.actor, side: by.side, action: 'workload.emptied', subject: id };
    const recorded = await ledger.record({ ...emptied, locks: living.map((token) => token.id) }, async (facts) => {
      let revoked = 0;
      for (const token of living)
        if ((await facts.takeAway('tokens', token.id, { state: 'deactivated' })) !== undefined) revoked++;
      return revoked;
    });
    // Rows that the ledger never knew open nothing, and stay.
    if (isRefusal(recorded) || recorded.value === 0) return { count, sequence };
    count += recorded.value;
    sequence = recorded.sequence;
  }
}

export function noWorkload(id: string): Refusal {
  return refuse('WORKLOAD_NOT_FOUND', `There is no workload ${id}.`, 'id');
}
