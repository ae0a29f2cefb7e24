import type { ChainCheck, ChainFault, EditedRow } from './chain-check.ts';

/** What `audit verify` answers. */
export interface AuditReport {
  readonly valid: boolean;
  readonly installation: string | null;
  readonly entries: number;
  /** Of the last entry that holds. */
  readonly hash: string | null;
  readonly fault: ChainFault | null;
  readonly editedRows: readonly EditedRow[];
  readonly proven: readonly string[];
  readonly notProven: readonly string[];
}

export function reportCheck(check: ChainCheck, fromFile: boolean): AuditReport {
  const { installation, entries, hash, fault, edited } = check;
  return {
    valid: fault === null,
    installation,
    entries,
    hash,
    fault,
    editedRows: edited,
    proven: proven(check),
    notProven: notProven(check, fromFile),
  };
}

function proven({ entries, installation }: ChainCheck): string[] {
  if (entries === 0) return [];
  return [
    `entries 1 to ${entries} are there without a gap, all of ${installation}`,
    'each leaf is canonical and has the hash that is given, and what is shown beside it is what it says',
    'each leaf names the hash of the one before: none was changed, moved, put in or left out',
  ];
}

function notProven({ sides, erasedSides }: ChainCheck, fromFile: boolean): string[] {
  const source = fromFile ? 'whoever gave you the file' : 'the operator of the server';
  return [
    `that this is the newest head, and the only log: that rests on ${source}. Compare sequence and hash with what ` +
      'was noted elsewhere',
    ...(sides === 0 ? [] : [`the side data of ${sides} entries: it cannot be checked without its random bytes`]),
    ...(erasedSides === 0 ? [] : [`${erasedSides} entries have had their side data erased`]),
  ];
}

export function reportText({ entries, hash, fault, editedRows, ...report }: AuditReport): string[] {
  return [
    ...(fault === null
      ? [`The log verifies: ${entries} entries.`]
      : [`THE LOG DOES NOT VERIFY. At entry ${fault.sequence}: ${fault.detail}.`]),
    ...(hash === null ? [] : [`head  ${entries}  ${hash}`]),
    ...editedRows.map(({ sequence, row }) => `FOUND: ${row} had been edited past the ledger before entry ${sequence}.`),
    ...section('Proven:', report.proven),
    ...section('Not proven:', report.notProven),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `- ${line}.`)];
}
