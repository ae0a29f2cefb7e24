import type { ChainCheck, ChainFault, EditedRow } from '@keyhold/auditor/chain-check';
import type { CheckedCheckpoint } from '@keyhold/auditor/check-checkpoint';
import type { CheckedReceipt } from '@keyhold/auditor/check-receipt';
import { type Explanation, unwitnessed, witnessed } from '@keyhold/auditor/explain';

/** What `audit verify` answers. */
export interface AuditReport {
  readonly valid: boolean;
  readonly installation: string | null;
  /** Entries that were checked, and up to which. */
  readonly entries: number;
  readonly last: number;
  /** Entries that the checkpoint covers; null where none was reached. */
  readonly size: number | null;
  readonly fault: ChainFault | null;
  readonly editedRows: readonly EditedRow[];
  readonly proven: readonly string[];
  /** What rests on somebody's word. */
  readonly attributed: readonly string[];
}

export function reportReceipt(checked: CheckedReceipt | string, explanation: Explanation | null): AuditReport {
  const holds = typeof checked !== 'string';
  return {
    valid: holds,
    installation: holds ? checked.leaf.installation : null,
    entries: holds ? 1 : 0,
    last: holds ? checked.leaf.sequence : 0,
    size: holds ? checked.checkpoint.size : null,
    fault: holds ? null : { sequence: 0, detail: checked },
    editedRows: [],
    proven: explanation?.proven ?? [],
    attributed: explanation?.attributed ?? [],
  };
}

/** @param isTrustOwn the keys came from the auditor, not from the server itself */
export function reportCheck(check: ChainCheck, checkpoint: CheckedCheckpoint | null, isTrustOwn: boolean): AuditReport {
  const { installation, entries, last, fault, edited } = check;
  return {
    valid: fault === null && checkpoint !== null,
    installation,
    entries,
    last,
    size: checkpoint?.checkpoint.size ?? null,
    fault,
    editedRows: edited,
    proven: checkpoint === null ? [] : proven(check, checkpoint),
    attributed: checkpoint === null ? [] : attributed(check, checkpoint, isTrustOwn),
  };
}

function proven({ begun, last, installation, sides }: ChainCheck, checkpoint: CheckedCheckpoint): string[] {
  const { origin, size } = checkpoint.checkpoint;
  return [
    `entries ${begun + 1} to ${last} of ${installation} are there without a gap, byte for byte as the log "${origin}" ` +
      `had them when it had ${size} entries and its key signed that`,
    'each leaf names the hash of the one before, and what is shown beside it is what it says',
    ...(sides === 0 ? [] : [`the side data of ${sides} entries is what their leaves commit to`]),
    ...witnessed(checkpoint),
  ];
}

function attributed({ erasedSides }: ChainCheck, checkpoint: CheckedCheckpoint, isTrustOwn: boolean): string[] {
  return [
    'what the entries say happened, and when: the operator wrote them, by his clock',
    ...(isTrustOwn ? [] : ["that these are the log's keys: the server itself named them; give --trust FILE"]),
    ...(erasedSides === 0 ? [] : [`what the side data of ${erasedSides} entries was: it is not shown, or erased`]),
    ...unwitnessed(checkpoint),
  ];
}

export function reportText({ entries, last, fault, editedRows, valid, size, ...report }: AuditReport): string[] {
  const at = fault === null || fault.sequence === 0 ? '' : `At entry ${fault.sequence}: `;
  return [
    ...(valid
      ? [`It verifies: ${entries} ${entries === 1 ? 'entry' : 'entries'}, up to entry ${last} of ${size}.`]
      : []),
    ...(fault === null ? [] : [`IT DOES NOT VERIFY. ${at}${fault.detail}.`]),
    ...editedRows.map(({ sequence, row }) => `FOUND: ${row} had been edited past the ledger before entry ${sequence}.`),
    ...section('Proven:', report.proven),
    ...section('Only said by the operator:', report.attributed),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `- ${line}.`)];
}
