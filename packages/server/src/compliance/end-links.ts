import { isRefusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Attribution } from '../access/change-context.ts';
import type { Database } from '../database/schema.ts';
import { stillWaiting } from '../delivery/deliveries.store.ts';
import { endDeliveries } from '../delivery/end-deliveries.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { putAsideIn } from './exposure.ts';
import { leavesOf } from './exposures.store.ts';

/** Actions that put a secret aside for whoever has the link. */
const PUTTING_ASIDE = ['key.issued', 'key.rotated', 'secret.delivered', 'delivery.created', 'delivery.rewrapped'];
const AT_ONCE = 50;

/** Ends all that these put aside and that nobody took yet: who has the links is not known, and may be who leaves. */
export async function endLinksBy(
  { ledger, reader }: { readonly ledger: Ledger; readonly reader: Kysely<Database> },
  by: Attribution,
  principal: string,
  actors: readonly string[],
): Promise<void> {
  for await (const leaves of leavesOf(reader, actors, PUTTING_ASIDE, ledger.head.sequence)) {
    const made = leaves.flatMap(({ leaf }) => putAsideIn(JSON.parse(leaf)));
    const ids = await stillWaiting(reader, made);
    for (let i = 0; i < ids.length; i += AT_ONCE) {
      const some = ids.slice(i, i + AT_ONCE);
      const draft = { ...by, action: 'delivery.ended', subject: principal, locks: some };
      for (let left = true; left; ) {
        const recorded = await ledger.record(draft, async (facts) => {
          return await endDeliveries(facts, await stillWaiting(facts.db, some));
        });
        left = !isRefusal(recorded) && recorded.value;
      }
    }
  }
}
