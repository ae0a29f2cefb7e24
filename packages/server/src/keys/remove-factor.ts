import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Factor } from '@keyhold/protocol/operations/factors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import { showFactor } from './factor.ts';
import type { PlacedFactor } from './factors.store.ts';
import { factorEntry, noFactor } from './open-factor.ts';

/** Removes a second factor for good, its secret with it. It works on rows that somebody wrote past the ledger too. */
export async function removeFactor(
  { ledger, propagation }: ChangeContext,
  caller: Caller,
  placed: PlacedFactor,
): Promise<{ factor: Factor; barrier: Barrier; sequence: number } | Refusal> {
  const names = { project: placed.project_slug, environment: placed.environment_name };
  const draft = { ...factorEntry(caller, placed), action: 'factor.removed' };
  const recorded = await ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('consumer_factors', placed.id);
    if (row === undefined) return noFactor(placed.id);
    const gone = { state: 'removed', envelope: null } as const;
    const removed = tampered
      ? await facts.overwrite('consumer_factors', row, gone)
      : await facts.update('consumer_factors', row, gone);
    return { factor: showFactor(removed, names), tampered };
  });
  if (isRefusal(recorded)) return recorded;
  const { factor, tampered } = recorded.value;
  const concerned = tampered ? null : new Set([placed.environment_id]);
  return { factor, barrier: await propagation.taken(recorded.sequence, concerned), sequence: recorded.sequence };
}
