import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { createClient } from '@keyhold/sdk/client';
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
    let next = wholeNumber('from', own['from']) ?? (await client.audit.getLog()).sequence + 1;
    let isGone = false;
    while (next <= to) {
      let items: readonly Entry[] = [];
      try {
        ({ items } = await client.audit.list({ order: 'asc', from: next, limit: PAGE }));
        isGone = false;
      } catch (error) {
        // What was refused stays refused; what does not answer may come back.
        if (error instanceof KeyholdError && error.status < 500) throw error;
        if (!isGone) terminal.note('The server does not answer; trying again each second.');
        isGone = true;
      }
      for (const entry of items.filter(({ sequence }) => sequence <= to)) {
        if (entry.sequence > next) {
          terminal.note(`Entries ${next} to ${entry.sequence - 1} are not there any more: they were given up.`);
        }
        terminal.print(own['json-lines'] === true ? JSON.stringify(entry) : describe(entry));
        next = entry.sequence + 1;
      }
      if (items.length < PAGE && next <= to) await pause(INTERVAL_MS);
    }
    return EXIT.done;
  },
};

function describe({ sequence, at, action, subject, actor }: Entry): string {
  return `${String(sequence).padStart(8)}  ${at}  ${action.padEnd(24)}  ${subject}  by ${actor}`;
}
