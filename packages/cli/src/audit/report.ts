import type { ChainCheck, ChainFault, EditedRow } from '@keyhold/auditor/chain-check';
import type { CheckedCheckpoint } from '@keyhold/auditor/check-checkpoint';
import type { CheckedReceipt } from '@keyhold/auditor/check-receipt';
import { type Explanation, explainEdited, explainRun } from '@keyhold/auditor/explain';
import { printable } from '@keyhold/auditor/printable';

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

const NAMED_BY_SERVER = "that these are the log's keys: the server itself named them; give --trust FILE";

/** @param isTrustOwn the keys came from the auditor, not from the server itself */
export function reportCheck(check: ChainCheck, checkpoint: CheckedCheckpoint | null, isTrustOwn: boolean): AuditReport {
  const { installation, entries, last, fault, edited } = check;
  const explained = checkpoint === null ? { proven: [], attributed: [] } : explainRun(check, checkpoint);
  return {
    valid: fault === null && checkpoint !== null,
    installation,
    entries,
    last,
    size: checkpoint?.checkpoint.size ?? null,
    fault,
    editedRows: edited,
    proven: explained.proven,
    attributed: isTrustOwn || checkpoint === null ? explained.attributed : [...explained.attributed, NAMED_BY_SERVER],
  };
}

export function reportText({ entries, last, fault, editedRows, valid, size, ...report }: AuditReport): string[] {
  const at = fault === null || fault.sequence === 0 ? '' : `At entry ${fault.sequence}: `;
  return [
    ...(valid
      ? [`It verifies: ${entries} ${entries === 1 ? 'entry' : 'entries'}, up to entry ${last} of ${size}.`]
      : []),
    ...(fault === null ? [] : [`IT DOES NOT VERIFY. ${at}${fault.detail}.`]),
    ...editedRows.map((edited) => `FOUND: ${explainEdited(edited)}.`),
    ...section('Proven:', report.proven),
    ...section('Only said by the operator:', report.attributed),
  ].map(printable);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `- ${line}.`)];
}
