import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { checkReceipt } from '../check-receipt.ts';
import { type Explanation, explainEdited, explainReceipt, explainRun } from '../explain.ts';
import { ExportLines, LineTooLong } from '../export-lines.ts';
import { ExportCheck, isExportHeader } from '../log-export.ts';
import { readTrust } from '../trust.ts';
import { BROWSER_CHECKER } from './browser-checker.ts';

/** What the page shows of a file. */
export interface Outcome extends Explanation {
  readonly valid: boolean;
  /** One sentence. */
  readonly title: string;
  /** What was found that nobody put into the log; an export may hold all the same. */
  readonly found: readonly string[];
}

/** Checks a receipt or an export against keys, or a policy, that came from elsewhere. */
export function verifyText(text: string, trustText: string): Outcome {
  let trust: TrustPolicy;
  try {
    trust = readTrust(BROWSER_CHECKER.sha256, trustText);
  } catch (error) {
    return refused(`The keys can not be read: ${(error as Error).message}.`);
  }
  return text.startsWith('c2sp.org/tlog-proof@') ? verifyReceipt(text, trust) : verifyExport(text, trust);
}

function verifyReceipt(text: string, trust: TrustPolicy): Outcome {
  const checked = checkReceipt(BROWSER_CHECKER, trust, text);
  if (typeof checked === 'string') return refused(`This receipt proves nothing: ${checked}.`);
  const title = `The receipt holds: entry ${checked.leaf.sequence}.`;
  return { valid: true, title, found: [], ...explainReceipt(checked) };
}

function verifyExport(text: string, trust: TrustPolicy): Outcome {
  let check: ExportCheck | null = null;
  try {
    for (const line of linesOf(text)) {
      if (check !== null) check.chain.take(line);
      else if (isExportHeader(line)) check = new ExportCheck(BROWSER_CHECKER, line);
      else break;
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    return refused(`It does not hold: ${error.message}.`);
  }
  if (check === null) return refused('This is neither a receipt nor an export of a log.');
  const checked = check.finish(trust);
  const { fault, entries, last, edited } = check.chain;
  const found = edited.map(explainEdited);
  if (checked === null) return refused(`It does not hold. At entry ${fault?.sequence}: ${fault?.detail}.`, found);
  const but = found.length === 0 ? '' : ' But rows had been edited past it.';
  const title = `It holds: ${entries} entries, up to entry ${last} of ${checked.checkpoint.size}.${but}`;
  return { valid: true, title, found, ...explainRun(check.chain, checked) };
}

function* linesOf(text: string): Generator<unknown> {
  const lines = new ExportLines();
  yield* lines.take(text);
  yield* lines.end();
}

function refused(title: string, found: readonly string[] = []): Outcome {
  return { valid: false, title, found, proven: [], attributed: [] };
}
