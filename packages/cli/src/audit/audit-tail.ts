import { setTimeout as pause } from 'node:timers/promises';
import { printable } from '@keyhold/auditor/printable';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { type Client, createClient } from '@keyhold/sdk/client';
import { KeyholdError } from '@keyhold/sdk/keyhold-error';
import type { Command } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../flag.ts';

const PAGE = 200;
const INTERVAL_MS = 1_000;

/** Follows the log: each entry once, in order, also over a server that is gone for a while. */
export const auditTail: Command = {
  words: ['audit', 'tail'],
  summary: 'Follow the log: prints each new entry, until it is ended',
  positionals: [],
  flags: [
    { name: 'from', value: 'SEQUENCE', about: 'Begin with this entry; else with the next one.' },
    { name: 'to', value: 'SEQUENCE', about: 'End behind this entry; else it goes on.' },
    { name: 'json-lines', about: 'One JSON object a line.' },
    ...URL_FLAGS,
  ],
  run: async ({ own }, { environment, terminal }) => {
    const client = createClient(connectionFor(own, environment));
    const to = wholeNumber('to', own['to']) ?? Number.POSITIVE_INFINITY;
    const from = wholeNumber('from', own['from']);
    let next = from ?? (await client.audit.getLog()).sequence + 1;
    // The newest entry that is known to have been there.
    let seen = from === undefined ? next - 1 : 0;
    let [isGone, isWhole] = [false, true];
    // Of before: nothing that is entered after it is new. Undefined where it was not learned yet.
    let rollback: string | undefined;
    while (next <= to) {
      let items: readonly Entry[] = [];
      let first = 1;
      let putBack: PutBack | null = null;
      try {
        rollback ??= nameOf(await findRollback(client));
        ({ items } = await client.audit.list({ order: 'asc', from: next, limit: PAGE }));
        // Asked afterwards: what was given up meanwhile is not missing.
        if (isGap(items, next)) ({ first } = await client.audit.getLog());
        if (items.length === 0 && seen > 0) putBack = await findPutBack(client, seen, rollback);
        isGone = false;
      } catch (error) {
        // What was refused stays refused; what does not answer may come back.
        if (error instanceof KeyholdError && error.status < 500) throw error;
        if (!isGone) terminal.note('The server does not answer; trying again each second.');
        items = [];
        isGone = true;
      }
      for (const entry of items) {
        const { givenUp, missing } = absentBetween(next, Math.min(entry.sequence - 1, to), first);
        if (givenUp !== null) terminal.note(`${givenUp} are not there any more: they were given up.`);
        if (missing !== null) terminal.note(`${missing} are MISSING from the log: nobody gave them up.`);
        isWhole &&= missing === null;
        seen = entry.sequence;
        next = entry.sequence + 1;
        if (entry.sequence > to) break;
        terminal.print(own['json-lines'] === true ? JSON.stringify(entry) : describe(entry));
      }
      if (putBack !== null) {
        const ends = `it ends at entry ${putBack.end}, and ${seen} was there before.`;
        terminal.note(printable(`The log was put back: ${ends}`));
        isWhole = false;
        ({ next, rollback } = putBack);
        seen = next - 1;
      }
      if (items.length < PAGE && next <= to) await pause(INTERVAL_MS);
    }
    return isWhole ? EXIT.done : EXIT.refused;
  },
};

interface PutBack {
  readonly end: number;
  /** What was entered since begins here. */
  readonly next: number;
  /** Name of the newest rollback that the log has now. */
  readonly rollback: string;
}

async function findRollback(client: Client): Promise<Entry | undefined> {
  const { items } = await client.audit.list({ action: 'rollback.accepted', order: 'desc', limit: 1 });
  return items[0];
}

/** Two of them may have one place, in two logs that began alike. */
function nameOf(rollback: Entry | undefined): string {
  return rollback === undefined ? 'none' : `${rollback.sequence} ${rollback.at}`;
}

/**
 * Whether the log ends before an entry that it had; an older state that is served is an entry of it, but for another
 * machine that was never told of the newer one: then nobody can tell where the new entries begin.
 */
async function findPutBack(client: Client, seen: number, before: string): Promise<PutBack | null> {
  const { sequence: end } = await client.audit.getLog();
  if (end >= seen) return null;
  const found = await findRollback(client);
  const rollback = nameOf(found);
  return { end, next: found === undefined || rollback === before ? end + 1 : found.sequence, rollback };
}

function isGap(items: readonly Entry[], from: number): boolean {
  return items.some(({ sequence }, i) => sequence !== from + i);
}

/** What is not there of a run of entries: those before the first of the log were given up. */
function absentBetween(from: number, to: number, first: number) {
  const named = (start: number, end: number) => (start > end ? null : `Entries ${start} to ${end}`);
  return { givenUp: named(from, Math.min(to, first - 1)), missing: named(Math.max(from, first), to) };
}

function describe({ sequence, at, action, subject, actor }: Entry): string {
  return printable(`${String(sequence).padStart(8)}  ${at}  ${action.padEnd(24)}  ${subject}  by ${actor}`);
}
