import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { checkReceipt } from '../check-receipt.ts';
import { type Explanation, explainEdited, explainReceipt, explainRun } from '../explain.ts';
import { ExportLines, LineTooLong } from '../export-lines.ts';
import { ExportCheck, isExportHeader } from '../log-export.ts';
import { printable } from '../printable.ts';
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

/** Text of a file, in pieces as they are read. */
export type Pieces = AsyncIterable<string>;

const RECEIPT = 'c2sp.org/tlog-proof@';
/** Longest receipt that is read, in UTF-16 code units: an entry of 16 KiB with its proof takes far less. */
const MAX_RECEIPT_UNITS = 1024 * 1024;

/**
 * Checks a receipt or an export against keys, or a policy, that came from elsewhere. A log is as long as it is, so of
 * an export no more than a line is held.
 */
export async function verifyFile(pieces: Pieces, trustText: string): Promise<Outcome> {
  const { valid, title, ...lists } = await outcomeOf(pieces, trustText);
  return {
    valid,
    title: printable(title),
    found: lists.found.map(printable),
    proven: lists.proven.map(printable),
    attributed: lists.attributed.map(printable),
  };
}

async function outcomeOf(pieces: Pieces, trustText: string): Promise<Outcome> {
  let trust: TrustPolicy;
  try {
    trust = readTrust(BROWSER_CHECKER.sha256, trustText);
  } catch (error) {
    return refused(`The keys can not be read: ${(error as Error).message}.`);
  }
  const rest = pieces[Symbol.asyncIterator]();
  let begin = '';
  for (let isMore = true; isMore && begin.length < RECEIPT.length; ) {
    const { value, done } = await rest.next();
    if (done === true) isMore = false;
    else begin += value;
  }
  return begin.startsWith(RECEIPT)
    ? await readReceipt(begin, rest, trust)
    : await verifyExport(linesOf(begin, rest), trust);
}

async function readReceipt(begin: string, rest: AsyncIterator<string>, trust: TrustPolicy): Promise<Outcome> {
  let text = begin;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    text += next.value;
    if (text.length > MAX_RECEIPT_UNITS) return refused('This receipt proves nothing: it is longer than any is.');
  }
  return verifyReceipt(text, trust);
}

function verifyReceipt(text: string, trust: TrustPolicy): Outcome {
  const checked = checkReceipt(BROWSER_CHECKER, trust, text);
  if (typeof checked === 'string') return refused(`This receipt proves nothing: ${checked}.`);
  const title = `The receipt holds: entry ${checked.leaf.sequence}.`;
  return { valid: true, title, found: [], ...explainReceipt(checked) };
}

async function verifyExport(lines: AsyncIterable<unknown>, trust: TrustPolicy): Promise<Outcome> {
  let check: ExportCheck | null = null;
  try {
    for await (const line of lines) {
      if (check?.chain.fault != null) break;
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

async function* linesOf(begin: string, rest: AsyncIterator<string>): AsyncGenerator<unknown> {
  const lines = new ExportLines();
  yield* lines.take(begin);
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield* lines.take(next.value);
  yield* lines.end();
}

function refused(title: string, found: readonly string[] = []): Outcome {
  return { valid: false, title, found, proven: [], attributed: [] };
}
