import type { FeedRecord, Position } from '@keyhold/protocol/feed';
import { decodeLeaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import { isAlive } from '../access/principal.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import type { FeedSource } from '../feed/feed-source.ts';
import type { GrantedLease } from '../feed/lease-book.ts';
import type { Addressed, FeedScope } from '../feed/scope.ts';
import { leavesBetween } from '../ledger/entries.store.ts';
import type { ChangedRow } from '../ledger/facts.ts';
import { readHead } from '../ledger/head.ts';
import type { LivedTime } from '../ledger/lived-time.ts';
import { listEnvironments } from '../projects/projects.store.ts';
import { type CheckedRow, readChecked, readCheckedRows } from '../ledger/checked-rows.ts';
import { FED_TABLES } from './fed-tables.ts';
import { feedKey, feedRemoval } from './feed-records.ts';
import type { Places } from './places.ts';
import { recordOf } from './record-of.ts';
import { withheldRecords } from './withheld-records.ts';

export interface SourceOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly livedTime: Pick<LivedTime, 'now'>;
  readonly places: Places;
  readonly tampered: (rowId: string) => void;
  readonly report: FeedSource['report'];
  readonly answer: FeedSource['answer'];
}

const ROWS_PER_PART = 500;
/** Entries behind which a verifier gets a snapshot instead of what it missed. */
const MAX_CATCH_UP = 5_000;
const DAY_MS = 24 * 3_600_000;

/** What verifiers are fed: rows that are what the ledger recorded, and nothing else. */
export class VerificationSource implements FeedSource {
  readonly #options: SourceOptions;
  readonly report: FeedSource['report'];
  readonly answer: FeedSource['answer'];

  constructor(options: SourceOptions) {
    this.#options = options;
    this.report = options.report;
    this.answer = options.answer;
  }

  fromCommit(changed: readonly ChangedRow[], removed: readonly string[]): Addressed<FeedRecord>[] {
    const { places } = this.#options;
    for (const row of changed) places.note(row);
    return [...removed.map(feedRemoval), ...changed.flatMap((row) => recordOf(row, places) ?? [])];
  }

  async snapshot(
    part: (position: Position, records: readonly Addressed<FeedRecord>[], last: boolean) => Promise<void>,
  ): Promise<void> {
    await this.#options.store.readSnapshot(async (db) => {
      const position = await positionIn(db);
      for (const table of FED_TABLES) {
        let after: string | null = '';
        while (after !== null) {
          const page: { rows: CheckedRow[]; last: string | null } = await readChecked(db, table, after, ROWS_PER_PART);
          const rows = page.rows.filter((row) => !this.#isLongOver(row));
          if (rows.length > 0) await part(position, await this.#records(db, rows), false);
          after = page.last;
          // SQLite reads synchronously: let others have a turn between two parts.
          await new Promise(setImmediate);
        }
      }
      await part(position, [], true);
    });
  }

  /**
   * A token that opens nothing any more: whoever begins anew needs not hear of it, since one that is over and one that
   * is not known are answered alike. By time that was lived, and a day later: a verifier's clock may be behind, and one
   * of ours that was ahead must not take a living one from it.
   */
  #isLongOver(checked: CheckedRow): boolean {
    if ('tampered' in checked || checked.table !== 'tokens') return false;
    return !isAlive(checked.row, this.#options.livedTime.now() - DAY_MS);
  }

  async changesSince(from: number): Promise<{ position: Position; records: Addressed<FeedRecord>[] } | null> {
    return await this.#options.store.readSnapshot(async (db) => {
      const position = await positionIn(db);
      if (position.sequence - from > MAX_CATCH_UP) return null;
      const ids = new Set<string>();
      const gone = new Set<string>();
      for (const { leaf } of await leavesBetween(db, from, position.sequence)) {
        for (const { id, after } of decodeLeaf(Buffer.from(leaf)).changes) {
          ids.add(id);
          if (after === null) gone.add(id);
        }
      }
      const records = await this.#records(db, await readCheckedRows(db, FED_TABLES, [...ids]));
      // Removals come first: what was taken out may have been put back under another digest.
      return { position, records: [...[...gone].map(feedRemoval), ...records] };
    });
  }

  async #records(db: Kysely<Database>, rows: readonly CheckedRow[]): Promise<Addressed<FeedRecord>[]> {
    const { places, tampered } = this.#options;
    const used = await this.#quotasUsed(db, rows);
    const records: Addressed<FeedRecord>[] = [];
    for (const checked of rows) {
      if ('tampered' in checked) {
        tampered(checked.tampered);
        records.push(...(await withheldRecords(db, checked.tampered, places)));
        continue;
      }
      const record =
        checked.table === 'keys' ? feedKey(checked.row, used.get(checked.row.id)) : recordOf(checked, places);
      if (record !== null) records.push(record);
    }
    return records;
  }

  async #quotasUsed(
    db: Kysely<Database>,
    rows: readonly CheckedRow[],
  ): Promise<ReadonlyMap<string, { at: number; used: number }>> {
    const ids = rows.flatMap((checked) =>
      'row' in checked && checked.table === 'keys' && checked.row.quota !== null ? [checked.row.id] : [],
    );
    if (ids.length === 0) return new Map();
    const found = await db.selectFrom('quota_usage').selectAll().where('key_id', 'in', ids).execute();
    return new Map(found.map(({ key_id, period_start, used }) => [key_id, { at: period_start, used }]));
  }

  async recovered(): Promise<void> {
    await this.#options.places.load(this.#options.store.reader, this.#options.tampered);
  }

  async leasesFor(db: Kysely<Database>, scope: FeedScope): Promise<GrantedLease[]> {
    const rows = await listEnvironments(db, {
      ...(scope.environment === null ? {} : { ids: [scope.environment] }),
      ...(scope.projects === null || scope.environment !== null ? {} : { projects: scope.projects }),
    });
    const checked = await readCheckedRows(
      db,
      FED_TABLES,
      rows.map(({ id }) => id),
    );
    return checked.flatMap((found) =>
      'tampered' in found || found.table !== 'environments'
        ? []
        : { environment: found.row.id, seconds: found.row.lease_seconds, afterLease: found.row.after_lease },
    );
  }

  async isTokenAlive(db: Kysely<Database>, tokenId: string): Promise<boolean> {
    const [checked] = await readCheckedRows(db, FED_TABLES, [tokenId]);
    if (checked === undefined || 'tampered' in checked || checked.table !== 'tokens') return false;
    return isAlive(checked.row, this.#options.clock.wall());
  }
}

async function positionIn(db: Kysely<Database>): Promise<Position> {
  const head = await readHead(db);
  if (head === undefined) throw new Error('the ledger has no head');
  const { installation, epoch, sequence, hash } = head;
  return { installation, epoch, sequence, hash };
}
