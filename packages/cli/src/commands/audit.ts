import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { ExportHeader } from '@keyhold/auditor/log-export';
import { verifyPage } from '@keyhold/auditor/page/verify-page';
import type { Entry, Log, Pruned } from '@keyhold/protocol/operations/audit';
import * as operations from '@keyhold/protocol/operations/audit';
import { createClient } from '@keyhold/sdk/client';
import { apiCommand, listCommand } from '../api-command.ts';
import { auditTail } from '../audit/audit-tail.ts';
import { auditVerify } from '../audit/audit-verify.ts';
import { type ExportRange, exportLines, GivenUp } from '../audit/export-lines.ts';
import type { Command, Given } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { NothingThere } from '../failure.ts';
import { flagsOf, wholeNumber } from '../flag.ts';
import { OVERWRITE, refuseExisting } from '../output-file.ts';
import { writePrivate } from '../private-file.ts';
import { type Field, renderDetails, time } from '../table.ts';

const ENTRY: readonly Field<Entry>[] = [
  ['sequence', ({ sequence }) => sequence],
  ['at', ({ at }) => time(at)],
  ['action', ({ action }) => action],
  ['subject', ({ subject }) => subject],
  ['actor', ({ actor }) => actor],
];

const LOG: readonly Field<Log>[] = [
  ['origin', ({ origin }) => origin],
  ['first', ({ first }) => first],
  ['entries', ({ sequence }) => sequence],
  ['signed up to', ({ size }) => size],
];

const receipt: Command = {
  words: ['audit', 'receipt'],
  summary: 'Write the receipt of an entry to a file, which anybody can check offline',
  operation: operations.getReceipt.id,
  positionals: [{ field: 'sequence', label: 'SEQUENCE' }],
  flags: [
    ...flagsOf(operations.getReceipt),
    { name: 'output', value: 'FILE', about: 'Else it is printed.' },
    OVERWRITE,
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    refuseExisting(own);
    const client = createClient(connectionFor(own, environment));
    const { receipt: text } = await client.audit.getReceipt({
      sequence: Number(input['sequence']),
      ...levelOf(input),
    });
    if (typeof own['output'] === 'string') {
      writeFileSync(own['output'], text);
      terminal.print(`receipt  ${own['output']}, of entry ${input['sequence']}`);
    } else terminal.print(text.trimEnd());
    return EXIT.done;
  },
};

const evidence: Command = {
  words: ['audit', 'evidence'],
  summary: 'Write the signed request of an entry to a file, which anybody can check offline',
  operation: operations.getReceipt.id,
  positionals: [{ field: 'sequence', label: 'SEQUENCE' }],
  flags: [{ name: 'output', value: 'FILE', required: true }, OVERWRITE, ...URL_FLAGS],
  run: async ({ input, own }, { environment, terminal }) => {
    refuseExisting(own);
    const client = createClient(connectionFor(own, environment));
    const sequence = Number(input['sequence']);
    const { items } = await client.audit.list({ from: sequence, to: sequence });
    const [entry] = items;
    if (entry?.side == null || entry.sideSalt === null) {
      const state = entry === undefined ? 'there is no such entry' : `its personal part is "${entry.sideState}"`;
      throw new NothingThere(`entry ${sequence} shows no signed request: ${state}`);
    }
    const { receipt: text } = await client.audit.getReceipt({ sequence });
    const file = { 'keyhold-evidence': 1, receipt: text, side: entry.side, sideSalt: entry.sideSalt };
    writePrivate(String(own['output']), `${JSON.stringify(file)}\n`);
    terminal.print(`evidence  ${own['output']}, of entry ${sequence}`);
    return EXIT.done;
  },
};

const page: Command = {
  words: ['audit', 'page'],
  summary: 'Write the page with which anybody checks a receipt or an export in the browser, offline',
  positionals: [],
  flags: [{ name: 'output', value: 'FILE', required: true }, OVERWRITE],
  run: async ({ own }, { terminal }) => {
    refuseExisting(own);
    writeFileSync(String(own['output']), await verifyPage());
    terminal.print(`page  ${own['output']}`);
    return EXIT.done;
  },
};

const exportCommand: Command = {
  words: ['audit', 'export'],
  summary: 'Write entries with their proof to a file, which "audit verify --file" checks offline',
  operation: operations.proveRange.id,
  positionals: [],
  flags: [
    { name: 'output', value: 'FILE', required: true },
    OVERWRITE,
    { name: 'from', value: 'SEQUENCE', about: 'First entry; else the oldest that is there.' },
    { name: 'to', value: 'SEQUENCE', about: 'Last entry; else the newest, or the newest witnessed.' },
    ...flagsOf(operations.proveRange).filter(({ field }) => field === 'level'),
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    refuseExisting(own);
    const client = createClient(connectionFor(own, environment));
    const { first, sequence, witnessedSize } = await client.audit.getLog();
    const level = levelOf(input);
    const from = wholeNumber('from', own['from']) ?? first;
    const newest = level.level === 'witnessed' ? (witnessedSize ?? sequence) : sequence;
    const to = wholeNumber('to', own['to']) ?? newest;
    if (from < first) throw new GivenUp(first - 1);
    const output = String(own['output']);
    const missing = await writeLines(output, exportLines(client, { from, to, ...level }), { from, to });
    if (missing !== null) {
      terminal.note(`Nothing was written: entry ${missing} is MISSING from the log: nobody gave it up.`);
      return EXIT.refused;
    }
    terminal.print(`export  ${output}, entries ${from} to ${to}`);
    return EXIT.done;
  },
};

function showPruned({ upTo, count, heldBy }: Pruned): string[] {
  const held =
    heldBy === null ? [] : [`held  by the export ${heldBy.name}, which has entries up to ${heldBy.sequence}`];
  if (count > 0) return [`given up  entries up to ${upTo}; their hashes stay, and every proof holds`, ...held];
  const why = upTo === 0 ? 'nothing' : `nothing more than the entries up to ${upTo}`;
  return [`given up  ${why}`, ...(heldBy === null ? ['no other whole tile of 256 entries is older'] : held)];
}

function levelOf({ level }: Given['input']): { level?: 'integrated' | 'witnessed' } {
  return level === 'integrated' || level === 'witnessed' ? { level } : {};
}

/** Written whole or not at all: returns the first entry that is missing. */
async function writeLines(
  output: string,
  lines: AsyncIterable<ExportHeader | Entry>,
  { from, to }: ExportRange,
): Promise<number | null> {
  // Nobody else's file has this name, nor does another export to the same one write into it.
  const partial = `${output}.${randomUUID()}.partial`;
  let next = from;
  let missing: number | null = null;
  const texts = async function* () {
    for await (const line of lines) {
      if ('sequence' in line && line.sequence !== next++) return void (missing = next - 1);
      yield `${JSON.stringify(line)}\n`;
    }
    if (next <= to) missing = next;
  };
  // Opened before anything is asked for: a stream opens its file later, and where that fails then nobody hears of it.
  const file = await open(partial, 'wx', 0o600);
  try {
    await pipeline(texts, file.createWriteStream());
    if (missing === null) renameSync(partial, output);
    return missing;
  } finally {
    await file.close();
    // Renamed where it is whole: there is nothing left to remove then.
    rmSync(partial, { force: true });
  }
}

/** `audit` */
export const AUDIT_COMMANDS: readonly Command[] = [
  listCommand({
    words: ['audit', 'list'],
    operation: operations.listEntries,
    call: (client) => client.audit.list,
    columns: ENTRY,
  }),
  apiCommand({
    words: ['audit', 'log'],
    operation: operations.getLog,
    call: (client) => client.audit.getLog,
    show: (log) => [
      ...renderDetails(LOG, log),
      '',
      ...log.keys,
      ...(log.checkpoint === null ? [] : ['', log.checkpoint]),
    ],
  }),
  apiCommand({
    words: ['audit', 'keys'],
    operation: operations.getLog,
    call: (client) => client.audit.getLog,
    show: ({ keys }) => keys,
  }),
  apiCommand({
    words: ['audit', 'erase-subject'],
    operation: operations.eraseSubject,
    call: (client) => client.audit.eraseSubject,
    show: ({ subject, keys, sequence }) => [`erased  ${subject}: ${keys} keys destroyed, entry ${sequence}`],
  }),
  apiCommand({
    words: ['audit', 'prune'],
    operation: operations.pruneLog,
    call: (client) => client.audit.prune,
    show: showPruned,
  }),
  receipt,
  evidence,
  exportCommand,
  auditVerify,
  auditTail,
  page,
  apiCommand({
    words: ['audit', 'prove-inclusion'],
    operation: operations.proveInclusion,
    call: (client) => client.audit.proveInclusion,
    show: ({ index, size, leafHash, root, proof }) => [
      ...renderDetails(
        [
          ['index', () => index],
          ['size', () => size],
          ['leaf hash', () => leafHash],
          ['root', () => root],
        ],
        null,
      ),
      ...proof,
    ],
  }),
  apiCommand({
    words: ['audit', 'prove-consistency'],
    operation: operations.proveConsistency,
    call: (client) => client.audit.proveConsistency,
    show: ({ from, to, fromRoot, toRoot, proof }) => [
      ...renderDetails(
        [
          ['from', () => `${from}  ${fromRoot}`],
          ['to', () => `${to}  ${toRoot}`],
        ],
        null,
      ),
      ...proof,
    ],
  }),
];
