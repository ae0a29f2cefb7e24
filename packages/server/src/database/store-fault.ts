/** The store can't be used now. The caller answers 503; nothing was acknowledged. */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable';
}

/** COMMIT was sent and its outcome is unknown: the head has to be read again before anything else. */
export class CommitDoubtful extends StoreUnavailable {}

/** More work is waiting than the writer will queue. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
}

/** What a fault means for whoever asked, for `http/` to answer with. */
export function classifyFault(error: unknown): 'OVERLOADED' | 'STORE_UNAVAILABLE' | null {
  if (error instanceof Overloaded) return 'OVERLOADED';
  return isStoreFault(error) ? 'STORE_UNAVAILABLE' : null;
}

/**
 * SQLite primary result codes of a store that is full, read-only, locked, broken or gone (sqlite.org/rescode.html).
 * INVARIANT: those at which SQLite may end a transaction by itself are among them (5, 7, 9, 10 and 13,
 * sqlite.org/lang_transaction.html): what goes on after them would be written outside of it.
 */
const SQLITE_FAULTS = new Set([5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26]);

/** PostgreSQL SQLSTATE classes: connection, resources, operator intervention, system, read-only transaction. */
const POSTGRES_FAULT = /^(?:08|53|57|58|25006|XX)/;

const NETWORK_FAULTS = /^E(?:CONNREFUSED|CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH|NOENT|AI_AGAIN)$/;

/** True for errors of the store itself, as opposed to mistakes in what was asked of it. */
export function isStoreFault(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return true;
  if (!(error instanceof Error)) return false;
  const { errcode, code } = error as { errcode?: unknown; code?: unknown };
  if (typeof errcode === 'number') return SQLITE_FAULTS.has(errcode & 0xff);
  if (typeof code === 'string' && (POSTGRES_FAULT.test(code) || NETWORK_FAULTS.test(code))) return true;
  return /connection (?:terminated|error|timeout)|timeout exceeded when trying to connect|not queryable/i.test(
    error.message,
  );
}
