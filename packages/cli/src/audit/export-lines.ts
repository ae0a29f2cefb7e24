import type { ExportHeader } from '@keyhold/auditor/log-export';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { Client } from '@keyhold/sdk/client';
import { pages } from '../api-command.ts';

const PAGE = 200;

export interface ExportRange {
  readonly from: number;
  readonly to: number;
  /** witnessed: by a checkpoint that enough witnesses cosigned, or not at all. */
  readonly level?: 'integrated' | 'witnessed';
}

/**
 * The lines of an export: what it is, with its proof, then the entries. The proof is asked for first: the entries that
 * follow have to make what it says.
 */
export async function* exportLines(client: Client, range: ExportRange): AsyncGenerator<ExportHeader | Entry> {
  const { from, to } = range;
  yield { 'keyhold-log-export': 1, ...(await client.audit.proveRange(range)) };
  const list = (input: Readonly<Record<string, unknown>>) => client.audit.list(input);
  for await (const { items } of pages<Entry>(list, { order: 'asc', limit: PAGE, from, to }, true)) yield* items;
}
