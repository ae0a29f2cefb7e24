import type { ExportHeader } from '@keyhold/auditor/log-export';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { Client } from '@keyhold/sdk/client';
import { pages } from '../api-command.ts';
import { UsageError } from '../failure.ts';

const PAGE = 200;

export interface ExportRange {
  readonly from: number;
  readonly to: number;
  /** witnessed: by a checkpoint that enough witnesses cosigned, or not at all. */
  readonly level?: 'integrated' | 'witnessed';
}

/** Entries that were asked for are not there any more, and the log says so. */
export class GivenUp extends UsageError {
  constructor(upTo: number) {
    super(`entries up to ${upTo} were given up: begin with ${upTo + 1}`);
  }
}

/**
 * The lines of an export: what it is, with its proof, then the entries. The proof is asked for first: the entries that
 * follow have to make what it says. What is missing without having been given up is for whoever takes the lines to find.
 * @throws GivenUp
 */
export async function* exportLines(client: Client, range: ExportRange): AsyncGenerator<ExportHeader | Entry> {
  const { from, to } = range;
  yield { 'keyhold-log-export': 1, ...(await client.audit.proveRange(range)) };
  const list = (input: Readonly<Record<string, unknown>>) => client.audit.list(input);
  let next = from;
  for await (const { items } of pages<Entry>(list, { order: 'asc', limit: PAGE, from, to }, true)) {
    for (const entry of items) {
      if (entry.sequence !== next) await refuseGivenUp(client, next);
      yield entry;
      next = entry.sequence + 1;
    }
  }
  if (next <= to) await refuseGivenUp(client, next);
}

/** Asked afterwards: it may have been given up meanwhile. */
async function refuseGivenUp(client: Client, sequence: number): Promise<void> {
  const { first } = await client.audit.getLog();
  if (sequence < first) throw new GivenUp(first - 1);
}
