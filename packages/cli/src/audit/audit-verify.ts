import { createClient } from '@keyhold/sdk/client';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { JSON_FLAG, pages } from '../api-command.ts';
import type { Command, Context, Given } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { ChainCheck } from './chain-check.ts';
import { readExport } from './export-file.ts';
import { reportCheck, reportText } from './report.ts';

const PAGE = 200;

/** Checks the log here, with nothing from the server but the entries. */
export const auditVerify: Command = {
  words: ['audit', 'verify'],
  summary: 'Verify the log on this machine: every entry, its hash and its place in the chain',
  positionals: [],
  flags: [
    {
      name: 'file',
      value: 'FILE',
      about: 'An export by "audit list --all --order asc --json-lines"; nothing is sent.',
    },
    JSON_FLAG,
    ...URL_FLAGS,
  ],
  run: async (given, context) => {
    const { file, json } = given.own;
    const check = new ChainCheck();
    if (typeof file === 'string') await checkFile(file, check);
    else await checkServer(given, context, check);
    if (check.entries === 0) check.fail('there is no entry');
    const report = reportCheck(check, typeof file === 'string');
    if (json === true) context.terminal.print(JSON.stringify(report, null, 2));
    else for (const line of reportText(report)) context.terminal.print(line);
    return report.valid ? EXIT.done : EXIT.refused;
  },
};

async function checkFile(file: string, check: ChainCheck): Promise<void> {
  for await (const entry of readExport(file)) {
    check.take(entry);
    if (check.fault !== null) return;
  }
}

/** The head is asked for first: the entries that follow must reach it, and have its hash there. */
async function checkServer({ own }: Given, { environment }: Context, check: ChainCheck): Promise<void> {
  const client = createClient(connectionFor(own, environment));
  const head = await client.installation.get();
  const list = (input: Readonly<Record<string, unknown>>) => client.audit.list(input);
  for await (const { items } of pages<Entry>(list, { order: 'asc', limit: PAGE }, true)) {
    for (const entry of items) {
      check.take(entry);
      if (check.fault !== null) return;
      if (check.entries === head.sequence && check.hash !== head.hash) {
        check.fail(`the server's head at ${head.sequence} has another hash`);
        return;
      }
    }
  }
  if (check.installation !== null && check.installation !== head.id) check.fail('the log is of another installation');
  if (check.entries < head.sequence) check.fail(`the server's head is ${head.sequence}, but its log ends before`);
}
