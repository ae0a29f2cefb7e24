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

/**
 * Ends it; whoever calls waits for the barrier.
 * @param also what is written in the same entry
 */
export async function endWorkload(
  { ledger, clock, reader }: Pick<ChangeContext, 'ledger' | 'clock'> & { readonly reader: Kysely<Database> },
  by: Attribution,
  id: string,
  also?: (facts: Facts) => Promise<unknown>,
): Promise<Recorded<{ workload: WorkloadRow; tokensRevoked: number }> | Refusal> {
  const known = await livingTokensOf(reader, { id }, clock.wall());
  const draft = { ...by, action: 'workload.removed', subject: id };
  return await ledger.record(
    { ...draft, locks: [id, ...known.map((token) => token.id)], evenWithoutChange: true },
    async (facts) => {
      const { row, tampered } = await facts.examine('workloads', id);
      if (row === undefined) return noWorkload(id);
      const workload = await facts[tampered ? 'overwrite' : 'update']('workloads', row, { state: 'removed' });
      // An exchange holds the workload too, so none is under way.
      const living = await livingTokensOf(facts.db, { id }, clock.wall());
      for (const token of living) {
        const found = await facts.examine('tokens', token.id);
        if (found.row === undefined) continue;
        await facts[found.tampered ? 'overwrite' : 'update']('tokens', found.row, { state: 'deactivated' });
      }
      await also?.(facts);
      return { workload, tokensRevoked: living.length };
    },
  );
}

export function noWorkload(id: string): Refusal {
  return refuse('WORKLOAD_NOT_FOUND', `There is no workload ${id}.`, 'id');
}
