import type { SQLInputValue } from 'node:sqlite';

/** One statement as a control plane executed it. */
export interface Executed {
  readonly sql: string;
  readonly parameters: readonly SQLInputValue[];
}

/** What one call executed: reads before its transaction, the transaction, reads after it. */
export interface CallTrace {
  readonly outside: readonly Executed[];
  /** Without `begin` and `commit`. */
  readonly inside: readonly Executed[];
}

const BEGIN = /^begin/i;
const COMMIT = /^commit$/i;
const SAVEPOINT = /^savepoint/i;

/**
 * Cuts the trace of calls made one after another into calls, one transaction each. Transactions without a savepoint
 * are not changes (leases, jobs), and reads that not every call makes are not the call's: both are left out.
 */
export function cutIntoCalls(trace: readonly Executed[], count: number): CallTrace[] {
  const common = commonReads(trace, count);
  const calls: CallTrace[] = [];
  let outside: Executed[] = [];
  let inside: Executed[] | null = null;
  for (const executed of trace) {
    if (BEGIN.test(executed.sql)) inside = [];
    else if (COMMIT.test(executed.sql)) {
      if (inside?.some(({ sql }) => SAVEPOINT.test(sql))) {
        calls.push({ outside, inside });
        outside = [];
      }
      inside = null;
    } else if (inside !== null) inside.push(executed);
    else if (common.has(executed.sql)) outside.push(executed);
  }
  if (calls.length !== count) throw new Error(`recorded ${calls.length} changes of ${count} calls`);
  return calls;
}

function commonReads(trace: readonly Executed[], count: number): Set<string> {
  const times = new Map<string, number>();
  for (const { sql } of trace) times.set(sql, (times.get(sql) ?? 0) + 1);
  return new Set([...times].flatMap(([sql, seen]) => (seen >= count * 0.9 ? [sql] : [])));
}
