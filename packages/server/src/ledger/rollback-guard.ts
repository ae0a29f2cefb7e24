import type { Store } from '../database/store.ts';
import type { Head } from './chain.ts';
import { hashAt } from './entries.store.ts';
import { readHead } from './head.ts';
import { type HeadMark, HeadRecord } from './head-record.ts';
import type { Ledger } from './ledger.ts';
import { prunedUpTo, treeAt } from './pruned.store.ts';
import { rootOfTree } from './tree.ts';

/** The database is not a continuation of what was last answered; says what can be done. */
export class RolledBack extends Error {
  override readonly name = 'RolledBack';
}

/** What an operator's word is entered as. */
export const ROLLBACK_ACCEPTED = 'rollback.accepted';

/** Remembers the newest entry outside the database, and knows at the start whether the database still has it. */
export interface RollbackGuard extends Disposable {
  /** To be told each new head before anybody is answered. */
  readonly committed: (head: Head) => void;
  /** Nothing remembers the newest entry of a database that has entries: whether it is an older one can't be told. */
  readonly unremembered: boolean;
  /** What is wrong with it, or not known; null: nothing, so that nobody has to accept it. */
  readonly doubt: string | null;
  /** It is an older one, or an operator says so, or it can't be told: what was granted since then is not in it. */
  readonly mayBeOlder: boolean;
  /** Enters why an operator had a database served that is no continuation, or not known to be one; else nothing. */
  enter(ledger: Ledger): Promise<void>;
}

/**
 * Compares the database with where the ledger stood when it last answered.
 * @param accepted why an operator wants it served all the same
 * @param elsewhere asks those who remember the ledger on other machines; says why it is none, or null
 * @throws RolledBack when it is not a continuation and nobody said why
 */
export async function openRollbackGuard(
  store: Store,
  path: string,
  accepted: string | undefined,
  elsewhere: () => Promise<string | null> = async () => null,
): Promise<RollbackGuard> {
  const { record, mark } = HeadRecord.open(path);
  const head = await readHead(store.reader);
  const why = (head === undefined ? null : await rollbackOf(store, head, mark)) ?? (await elsewhere());
  if (why !== null && accepted === undefined) {
    record[Symbol.dispose]();
    throw new RolledBack(
      `the database is not known to be the one that was last answered from: ${why}. It was restored from a backup, forked, or is ` +
        `another's; keys that were revoked since may be alive in it. Put the right one back, or start once with ` +
        `--accept-rollback 'why' (${path} remembers the newest entry)`,
    );
  }
  const unremembered = mark === 'missing' && head !== undefined && head.sequence > 0;
  const doubt = why ?? (unremembered ? 'nothing remembers its newest entry' : null);
  // INVARIANT: what a start commits ahead of the entry of the acceptance is not remembered: one that dies there asks again.
  let entered = doubt === null || accepted === undefined;
  return {
    committed: (newest) => {
      if (entered) record.write({ ...newest, root: rootOfTree(newest.tree) });
    },
    unremembered,
    doubt,
    mayBeOlder: accepted !== undefined || unremembered,
    enter: async (ledger) => {
      if (doubt === null || accepted === undefined) return;
      entered = true;
      const { installation, sequence } = ledger.head;
      const draft = {
        actor: 'system',
        action: ROLLBACK_ACCEPTED,
        subject: installation,
        code: `sequence-${sequence}`,
      };
      const side = { why: doubt, reason: accepted };
      await ledger.record({ ...draft, side, evenWithoutChange: true }, async () => null);
    },
    [Symbol.dispose]: () => record[Symbol.dispose](),
  };
}

/** Of a database that is not empty: in an empty one nothing is alive, and it becomes another installation. */
async function rollbackOf(store: Store, head: Head, mark: HeadMark | 'missing' | 'damaged'): Promise<string | null> {
  if (mark === 'missing') return null;
  if (mark === 'damaged') return 'the record of its newest entry is damaged';
  if (head.installation !== mark.installation) return `it is of ${head.installation}, not of ${mark.installation}`;
  if (mark.sequence === 0) return null;
  const found = await hashAt(store.reader, mark.sequence);
  if (found === mark.hash) return null;
  if (found !== null) return `its entry ${mark.sequence} is another one than was answered before`;
  return mark.sequence > head.sequence
    ? `it ends at entry ${head.sequence}, and entry ${mark.sequence} was answered before`
    : await absenceOf(store, mark);
}

/** An entry that was given up is known by what is kept of all up to it. */
async function absenceOf({ reader }: Store, { sequence, root }: HeadMark): Promise<string | null> {
  const { upTo } = await prunedUpTo(reader);
  if (sequence > upTo) return `entry ${sequence}, which was answered before, is missing`;
  if (root === undefined)
    return `entry ${sequence}, which was answered before, was given up since, and the record does not say what is kept of it`;
  const tree = await treeAt(reader, sequence);
  if (tree === null) return `the hashes are missing that are kept of entry ${sequence}, which was answered before`;
  return rootOfTree(tree) === root
    ? null
    : `its entry ${sequence}, given up since, is another one than was answered before`;
}
