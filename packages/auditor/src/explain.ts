import type { ChainCheck, EditedRow } from './chain-check.ts';
import type { CheckedCheckpoint } from './check-checkpoint.ts';
import type { CheckedEvidence } from './check-evidence.ts';
import type { CheckedReceipt } from './check-receipt.ts';
import { installationOf } from './installation-of.ts';

/** What was shown, in plain words: what is proven, and what rests on somebody's word. */
export interface Explanation {
  readonly proven: readonly string[];
  readonly attributed: readonly string[];
}

export function explainReceipt(receipt: CheckedReceipt): Explanation {
  const { leaf, checkpoint } = receipt;
  const facts = [
    ...(leaf.code === undefined ? [] : [`with the code "${leaf.code}"`]),
    ...(leaf.environment === undefined ? [] : [`in ${leaf.environment}`]),
  ];
  return {
    proven: [
      `entry ${leaf.sequence} of the log "${checkpoint.origin}" is, byte for byte, the one in this receipt`,
      `it was in the log, at this place, when the log had ${checkpoint.size} entries, and the holder of the log's key ` +
        'signed that: it can not be changed or taken out without every later checkpoint contradicting this receipt',
      ...witnessed(receipt),
    ],
    attributed: [
      `that "${leaf.actor}" did "${leaf.action}" to "${leaf.subject}"${facts.map((fact) => ` ${fact}`).join('')}: the ` +
        'operator wrote that into the log',
      `that it was at ${leaf.at}: the clock is the operator's`,
      ...unnamed(leaf.installation, checkpoint.origin),
      ...unwitnessed(receipt),
    ],
  };
}

export function explainRun(chain: ChainCheck, checkpoint: CheckedCheckpoint): Explanation {
  const { begun, last, sides, erasedSides } = chain;
  const { origin, size } = checkpoint.checkpoint;
  return {
    proven: [
      `entries ${begun + 1} to ${last} of the log "${origin}" are there without a gap, byte for byte as it had them when ` +
        `it had ${size} entries and its key signed that`,
      ...linked(chain),
      'what is shown beside each entry is what it says',
      ...(sides === 0 ? [] : [`the personal parts of ${sides} entries are what those entries commit to`]),
      ...witnessed(checkpoint),
    ],
    attributed: [
      'what the entries say happened, and when: the operator wrote them, by his clock',
      ...unnamed(chain.installation, origin),
      ...(erasedSides === 0
        ? []
        : [`what the personal parts of ${erasedSides} entries were: they are left out, or erased`]),
      ...unwitnessed(checkpoint),
    ],
  };
}

/** A request that the consumer's own key signed. */
export function explainEvidence({ receipt, dialect, base }: CheckedEvidence): Explanation {
  const { proven, attributed } = explainReceipt(receipt);
  const text = new TextDecoder('utf-8', { fatal: false }).decode(base);
  return {
    proven: [
      `the holder of the key that you gave signed this: ${JSON.stringify(text)}`,
      'the entry commits to that signature, and to what was signed',
      ...proven,
    ],
    attributed: [
      ...attributed,
      `that it was a request in the style "${dialect}"`,
      'whose key it is: whoever gave it to you says so',
    ],
  };
}

/** A row that was changed past the log, of which the next entry about it tells. */
export function explainEdited({ sequence, row }: EditedRow): string {
  return `${row} had been edited past the ledger before entry ${sequence}`;
}

/** What the first of a run names as the one before can't be looked at where that one is not in it. */
function linked({ begun, entries }: ChainCheck): string[] {
  if (begun === 0) return ['each entry names the hash of the one before'];
  return entries < 2 ? [] : [`each entry from ${begun + 2} on names the hash of the one before`];
}

function unnamed(installation: string | null, origin: string): string[] {
  if (installationOf(origin) !== null) return [];
  return [`that the log "${origin}" is of the installation "${installation}": the entries say so, its name does not`];
}

function witnessed({ witnesses }: CheckedCheckpoint): string[] {
  return witnesses.map(
    ({ name, atSeconds }) =>
      `the witness "${name}" says that it had seen this log, grown without a change, by ${timeOf(atSeconds)}`,
  );
}

function unwitnessed({ witnesses }: CheckedCheckpoint): string[] {
  if (witnesses.length > 0) return [];
  return ['that everybody is shown the same log: no witness cosigned this checkpoint'];
}

/** The last second of the year 9999: behind it there is no date to write. */
const LAST_SECOND = 253_402_300_799;

function timeOf(seconds: number): string {
  if (seconds > LAST_SECOND) return `second ${seconds} since 1970, which is no time that can be`;
  return new Date(seconds * 1_000).toISOString().replace('.000', '');
}
