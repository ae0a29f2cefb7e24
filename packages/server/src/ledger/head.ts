import type { Kysely } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Database } from '../database/schema.ts';
import { StoreUnavailable } from '../database/store-fault.ts';
import type { Head } from './chain.ts';
import { readTree, treeOfEntries } from './tree.ts';

/** Another control plane has taken over this database: this one may neither commit nor grant. */
class Superseded extends StoreUnavailable {
  override readonly name = 'Superseded';
}

/** The ledger's head, or undefined in an empty database. */
export async function readHead(db: Kysely<Database>): Promise<(Head & { acceptedEpoch: number | null }) | undefined> {
  const query = compiledOnce(db, 'head', [], () => db.selectFrom('ledger_head').selectAll().compile());
  const row = (await run(db, query))[0];
  if (row === undefined) return undefined;
  const { installation, epoch, sequence, hash, accepted_epoch } = row;
  // A database of before there was a tree: its entries make it, once.
  const tree = row.tree === null ? await treeOfEntries(db, sequence) : readTree(sequence, row.tree);
  return { installation, epoch, sequence, hash, tree, acceptedEpoch: accepted_epoch };
}

/**
 * The head under its lock, which must be of `epoch` still.
 * @throws Superseded when another control plane has started since.
 */
export async function readOwnHead(db: Kysely<Database>, epoch: number): Promise<Head> {
  const head = await readHead(db);
  if (head?.epoch !== epoch) throw new Superseded('another control plane has taken over this database');
  return head;
}

/** Raises the epoch because an operator accepted a restore: verifiers fenced in an earlier one may start anew. */
export async function acceptEpoch(db: Kysely<Database>, epoch: number): Promise<void> {
  await db.updateTable('ledger_head').set({ epoch, accepted_epoch: epoch }).execute();
}
