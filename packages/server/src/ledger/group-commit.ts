import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { IdKind } from '@keyhold/protocol/id';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import { isStoreFault } from '../database/store-fault.ts';
import { appendEntries, chainEntries, type Head, type UnchainedEntry } from './chain.ts';
import type { EntryDraft, Recorded } from './entry.ts';
import { type ChangedRow, Facts, MAX_CHANGED_ROWS, TamperedRow } from './facts.ts';
import { acceptEpoch, readOwnHead } from './head.ts';
import { findRepeated, keepResponse } from './idempotency.store.ts';
import { Savepoint } from './savepoint.ts';
import type { PreparedSide } from './side.ts';

/** A change that waits for its commit. */
export interface Pending {
  readonly draft: EntryDraft;
  readonly side: PreparedSide | null;
  readonly change: (facts: Facts) => Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly tampered?: readonly string[] } & ({ readonly result: unknown } | { readonly error: unknown });

/** What a committed group brought about. */
export interface GroupResult {
  readonly from: number;
  readonly head: Head;
  readonly changed: readonly ChangedRow[];
  readonly removed: readonly string[];
  /** One for each pending change, in order. */
  readonly outcomes: readonly Outcome[];
}

/** One change as run in its savepoint; `entry` is what it adds to the chain. */
interface Ran {
  readonly outcome: (sequence: number) => Outcome;
  readonly entry: UnchainedEntry | null;
  readonly facts: Facts | null;
  /** Sequence to answer with when there is no entry. */
  readonly stored: number;
  /** Rows that it found as it wanted them: what repeats a change waits for whatever made each of them so. */
  readonly restsOn: readonly string[];
  readonly keep?: { readonly value: unknown };
}

interface GroupOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: (kind: IdKind) => string;
  readonly newSalt: () => string;
}

/** Runs many changes in one transaction, one after another, each in its savepoint. */
export class GroupCommit {
  readonly #options: GroupOptions;

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  /** @throws StoreUnavailable, CommitDoubtful: then none of them happened for certain. */
  commit(group: readonly Pending[], epoch: number): Promise<GroupResult> {
    const { store } = this.#options;
    return store.writer.transaction(async (db) => {
      await store.dialect.lockRows(
        db,
        group.flatMap(({ draft }) => draft.locks ?? []),
      );
      const heads = new Map<string, string | null>();
      const ran: Ran[] = [];
      for (const pending of group) {
        const one = await this.#run(db, pending, heads);
        for (const [id, digest] of one.facts?.heads ?? []) heads.set(id, digest);
        ran.push(one);
      }
      // INVARIANT: the counter is locked last, so that the wait for it is short (DESIGN §5).
      await store.dialect.lockHead(db);
      return await this.#append(db, group, ran, await readOwnHead(db, epoch));
    });
  }

  async #append(
    db: Kysely<Database>,
    group: readonly Pending[],
    ran: readonly Ran[],
    before: Head,
  ): Promise<GroupResult> {
    const entries = ran.flatMap(({ entry }) => (entry === null ? [] : [entry]));
    const chained = chainEntries(before, entries);
    const heads = new Map<string, { digest: string | null; sequence: number }>();
    const outcomes: Outcome[] = [];
    let next = before.sequence;
    for (const [i, one] of ran.entries()) {
      // INVARIANT: what repeats a change of this very group waits for that change's entry, not for an older one.
      const settled = one.restsOn.map((id) => heads.get(id)?.sequence ?? 0);
      const sequence = one.entry === null ? Math.max(one.stored, ...settled) : ++next;
      for (const [id, digest] of one.facts?.heads ?? []) heads.set(id, { digest, sequence });
      outcomes.push(one.outcome(sequence));
      const idempotency = (group[i] as Pending).draft.idempotency;
      if (one.keep !== undefined && idempotency !== undefined) {
        await keepResponse(db, idempotency, one.keep.value, sequence, this.#options.clock.wall());
      }
    }
    const epoch = Math.max(before.epoch, ...group.map(({ draft }) => draft.acceptsEpoch ?? 0));
    const head = chained.length === 0 ? before : await appendEntries(db, { ...before, epoch }, chained, heads);
    if (epoch > before.epoch) await acceptEpoch(db, epoch);
    return {
      from: before.sequence,
      head,
      changed: ran.flatMap(({ facts }) => facts?.changed ?? []),
      removed: ran.flatMap(({ facts }) => facts?.removed ?? []),
      outcomes,
    };
  }

  async #run(db: Kysely<Database>, pending: Pending, heads: ReadonlyMap<string, string | null>): Promise<Ran> {
    const { draft, change } = pending;
    const repeated = draft.idempotency === undefined ? undefined : await findRepeated(db, draft.idempotency);
    if (repeated !== undefined) return nothing(repeated);
    const savepoint = new Savepoint(db);
    const facts = new Facts(db, heads, this.#options.newSalt, () => savepoint.set());
    // Else before it writes, which many changes, as uses are, never do.
    if (this.#options.store.dialect.failsForGood) await savepoint.set();
    try {
      const refusal = await draft.guard?.(facts);
      // What says whether the caller may is his own; what he repeats does not rest on it.
      const guarded = facts.seen.length;
      const value = refusal ?? (await change(facts));
      if (isRefusal(value)) {
        await savepoint.undo();
        return { ...nothing(value), outcome: () => ({ result: value, tampered: facts.tampered }) };
      }
      const ran = await this.#ran(db, pending, facts, value, facts.seen.slice(guarded));
      await savepoint.release();
      return ran;
    } catch (error) {
      // The transaction may be gone already, and with it the whole group.
      if (isStoreFault(error)) throw error;
      await savepoint.undo();
      if (error instanceof TamperedRow) return { ...nothing(tamperedRefusal(error)), outcome: () => tampered(error) };
      return { ...NOTHING, outcome: () => ({ error }) };
    }
  }

  async #ran(
    db: Kysely<Database>,
    { draft, side }: Pending,
    facts: Facts,
    value: unknown,
    seen: readonly string[],
  ): Promise<Ran> {
    const result = (sequence: number): Outcome => ({
      result: { value, sequence, repeated: false } satisfies Recorded<unknown>,
      tampered: facts.tampered,
    });
    const keep = draft.idempotency === undefined ? {} : { keep: { value } };
    if (facts.changes.length === 0 && draft.evenWithoutChange === undefined) {
      const restsOn = [draft.subject, ...seen];
      return { ...NOTHING, outcome: result, stored: await lastSequence(db, restsOn), restsOn, ...keep };
    }
    // Before the savepoint is let go: one change that can't be entered must not take its group with it.
    if (facts.changes.length > MAX_CHANGED_ROWS)
      throw new RangeError(`${facts.changes.length} rows do not fit into one entry`);
    const { newId, clock } = this.#options;
    const entry = { id: newId('entry'), atMs: clock.wall(), draft, changes: facts.changes, side };
    return { ...NOTHING, outcome: result, entry, facts, ...keep };
  }
}

const NOTHING = { entry: null, facts: null, stored: 0, restsOn: [] } as const;

function nothing(result: Refusal | Recorded<unknown>): Ran {
  return { ...NOTHING, outcome: () => ({ result }) };
}

function tampered(error: TamperedRow): Outcome {
  return { result: tamperedRefusal(error), tampered: [error.rowId] };
}

function tamperedRefusal({ rowId }: TamperedRow): Refusal {
  return refuse(
    'ROW_TAMPERED',
    `${rowId} was changed past the ledger. It is fed to no verifier. Revoke it, or restore the database from a backup.`,
  );
}

/** The stored sequence of the newest entry that touched one of the rows: what a repeated taking-away waits for. */
async function lastSequence(db: Kysely<Database>, rowIds: readonly string[]): Promise<number> {
  const found = await db
    .selectFrom('row_heads')
    .select(({ fn }) => fn.max('sequence').as('sequence'))
    .where('row_id', 'in', rowIds)
    .executeTakeFirst();
  return Number(found?.sequence ?? 0);
}
