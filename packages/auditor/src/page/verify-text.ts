import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { checkReceipt } from '../check-receipt.ts';
import { type Explanation, explainReceipt, explainRun } from '../explain.ts';
import { ExportCheck, isExportHeader } from '../log-export.ts';
import { readTrust } from '../trust.ts';
import { BROWSER_CHECKER } from './browser-checker.ts';

/** What the page shows of a file. */
export interface Outcome extends Explanation {
  readonly valid: boolean;
  /** One sentence. */
  readonly title: string;
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
  return { valid: true, title: `The receipt holds: entry ${checked.leaf.sequence}.`, ...explainReceipt(checked) };
}

function verifyExport(text: string, trust: TrustPolicy): Outcome {
  const [first, ...lines] = text.trimEnd().split('\n').map(parse);
  if (!isExportHeader(first)) return refused('This is neither a receipt nor an export of a log.');
  const check = new ExportCheck(BROWSER_CHECKER, first);
  for (const line of lines) check.chain.take(line);
  const checked = check.finish(trust);
  const { fault, entries, last } = check.chain;
  if (checked === null) return refused(`It does not hold. At entry ${fault?.sequence}: ${fault?.detail}.`);
  const title = `It holds: ${entries} entries, up to entry ${last} of ${checked.checkpoint.size}.`;
  return { valid: true, title, ...explainRun(check.chain, checked) };
}

function refused(title: string): Outcome {
  return { valid: false, title, proven: [], attributed: [] };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
