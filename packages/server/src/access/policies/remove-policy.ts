import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Recorded } from '../../ledger/entry.ts';
import { attribution, type Caller } from '../change-context.ts';
import { INSTALLATION } from '../principal.ts';
import { basisOf } from './policies.store.ts';
import { noPolicy } from './policy.ts';
import { BASIS_GONE, ownsForGood, type PolicyContext } from './save-policy.ts';

export const NOT_FOR_GOOD = refuse(
  'FORBIDDEN',
  'It was tampered with: an owner of the installation removes it, whose right has no end.',
);

/** Removes a policy. It works on a row that was tampered with too. */
export async function removePolicy(
  { ledger }: PolicyContext,
  caller: Caller,
  id: string,
  basis: string,
): Promise<Recorded<string> | Refusal> {
  const draft = { ...attribution(caller), action: 'policy.removed', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('policies', id);
    if (row === undefined) return noPolicy(id);
    // What it was nobody can tell: it may have been of the whole installation.
    if (tampered && !ownsForGood(caller.principal, INSTALLATION)) return NOT_FOR_GOOD;
    if ((await basisOf(facts.db)) !== basis) return BASIS_GONE;
    await facts.remove('policies', row);
    // Told to whoever follows the ledger: from now on it decides nothing.
    facts.removed.push(id);
    return id;
  });
}
