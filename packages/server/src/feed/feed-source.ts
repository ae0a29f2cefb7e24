import type { FeedRecord, Position } from '@keyhold/protocol/feed';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { ChangedRow } from '../ledger/facts.ts';
import type { Addressed, FeedScope } from './scope.ts';
import type { GrantedLease } from './lease-book.ts';

/** Who asks: a connection by what it may see, and whose token it came with. */
export interface Asking {
  readonly scope: FeedScope;
  readonly tokenId: string;
  /** Null before its hello. */
  readonly verifier: string | null;
}

/** What the feed carries is decided on higher floors and handed down by `app.ts`. */
export interface FeedSource {
  /** Records for rows that a commit changed. */
  fromCommit(changed: readonly ChangedRow[], removed: readonly string[]): Addressed<FeedRecord>[];
  /** Everything at one position, in parts, in an order in which each record's references come first. */
  snapshot(
    part: (position: Position, records: readonly Addressed<FeedRecord>[], last: boolean) => Promise<void>,
  ): Promise<void>;
  /** Present records of the rows that changed after `from`; null when there are too many to be worth it. */
  changesSince(from: number): Promise<{ position: Position; records: Addressed<FeedRecord>[] } | null>;
  /** Commits were missed: whatever was kept of the database is read again. */
  recovered(): Promise<void>;
  /** Leases that a connection of this scope may be granted. */
  leasesFor(db: Kysely<Database>, scope: FeedScope): Promise<GrantedLease[]>;
  /** False once the token is revoked or over; asked under the lock of commits. */
  isTokenAlive(db: Kysely<Database>, tokenId: string): Promise<boolean>;
  /** Takes a verifier's counts. */
  report(asking: Asking, payload: unknown): Promise<void>;
  /** Answers a verifier's question. */
  answer(asking: Asking, payload: unknown): Promise<unknown>;
}
