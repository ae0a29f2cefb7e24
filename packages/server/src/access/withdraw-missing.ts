import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { FactTable, Database } from '../database/schema.ts';
import { attribution, type Caller, type ChangeContext } from './change-context.ts';

/** True when the ledger knows a living row of this id, be it there or not. */
export async function isKnownToLedger(db: Kysely<Database>, id: string): Promise<boolean> {
  const head = await db.selectFrom('row_heads').select('digest').where('row_id', '=', id).executeTakeFirst();
  return head !== undefined && head.digest !== null;
}

/**
 * Takes away what somebody deleted from the database past the ledger: verifiers hold it still. When this answers, it
 * is dead everywhere; the answer is a refusal all the same, since there is no row left to show.
 */
export async function withdrawMissing(
  { ledger, propagation }: ChangeContext,
  caller: Caller,
  table: FactTable,
  id: string,
  absent: Refusal,
): Promise<Refusal> {
  const draft = { ...attribution(caller), idempotency: undefined, action: 'row.withdrawn', subject: id, locks: [id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const { row, known, tampered } = await facts.examine(table, id);
    // A row that was moved to where nobody finds it is as good as deleted.
    if (!known || (row !== undefined && !tampered)) return absent;
    await facts.withdraw(id);
    return id;
  });
  if (isRefusal(recorded)) return recorded;
  await propagation.taken(recorded.sequence, null);
  return refuse('ROW_TAMPERED', `The row of ${id} was deleted past the ledger. It is dead on every verifier now.`);
}
