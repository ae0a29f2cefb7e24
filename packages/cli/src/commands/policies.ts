import { readFileSync } from 'node:fs';
import type { Gain, Policy, Preview, Replayed } from '@keyhold/protocol/operations/policies';
import * as operations from '@keyhold/protocol/operations/policies';
import { type Client, createClient } from '@keyhold/sdk/client';
import { APPROVAL_FLAGS, apiCommand, approvalOptions, JSON_FLAG, listCommand } from '../api-command.ts';
import type { Command, Context, Given } from '../command.ts';
import { connectionFor, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import type { Flag } from '../flag.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';
import { withPerson } from '../with-person.ts';

const POLICY: readonly Field<Policy>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['effect', ({ effect }) => effect],
  ['of', ({ project }) => project ?? 'installation'],
  ['reason', ({ reason }) => reason],
  ['saved', ({ savedAt }) => time(savedAt)],
];

const GAIN: readonly Field<Gain>[] = [
  ['', ({ allowed }) => (allowed ? 'gains' : 'loses')],
  ['who', ({ principal }) => principal],
  ['name', ({ name }) => name],
  ['action', ({ action }) => action],
  ['place', ({ place }) => place],
];

const REPLAYED: readonly Field<Replayed>[] = [
  ['would be', ({ allowed }) => (allowed ? 'allowed' : 'denied')],
  ['who', ({ principal }) => principal],
  ['action', ({ action }) => action],
  ['place', ({ place }) => place],
  ['times', ({ count }) => count],
  ['last', ({ lastAt }) => time(lastAt)],
];

const FILE: Flag = { name: 'file', value: 'FILE', about: 'File that holds the Cedar policy; without it, stdin.' };

function showPreview(preview: Preview, bold: (text: string) => string): string[] {
  const { gains, gainCount, gainsWhole, replayed, replayedCount, looked, lookedBackTo, lookedWhole } = preview;
  const since = lookedBackTo === null ? '' : `, back to ${time(lookedBackTo)}`;
  return [
    bold(`Gains and losses: ${gainCount}${gainsWhole ? '' : ' and more, which were not looked at'}`),
    ...(gains.length === 0 ? [] : renderTable(GAIN, gains, bold)),
    '',
    bold(`Of ${looked} recorded decisions${since}, ${replayedCount} would come out otherwise`),
    ...(replayed.length === 0 ? [] : renderTable(REPLAYED, replayed, bold)),
    ...(lookedWhole ? [] : ['Older ones of the last 31 days were left out, or were not kept.']),
  ];
}

async function textOf({ own }: Given, { terminal }: Context): Promise<string> {
  const file = own['file'];
  if (typeof file !== 'string') return await terminal.readInput();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`the file of the policy cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

const preview: Command = {
  words: ['policies', 'preview'],
  summary: operations.previewPolicy.summary,
  operation: operations.previewPolicy.id,
  positionals: [{ field: 'name', label: 'NAME' }],
  flags: [FILE, JSON_FLAG, ...URL_FLAGS],
  run: async (given, context) => {
    const { terminal, environment } = context;
    const client = createClient(connectionFor(given.own, environment));
    const shown = await client.policies.preview({
      name: String(given.input['name']),
      text: await textOf(given, context),
    });
    if (given.own['json'] === true) terminal.print(JSON.stringify(shown, null, 2));
    else for (const line of showPreview(shown, terminal.bold)) terminal.print(line);
    return EXIT.done;
  },
};

/** What is saved or removed was shown first: on standard error, since the answer is another. */
async function previewed(client: Client, change: Parameters<Client['policies']['preview']>[0], context: Context) {
  const shown = await client.policies.preview(change);
  for (const line of showPreview(shown, context.terminal.bold)) context.terminal.note(line);
  return shown.basis;
}

const save: Command = {
  words: ['policies', 'save'],
  summary: operations.savePolicy.summary,
  operation: operations.savePolicy.id,
  positionals: [{ field: 'name', label: 'NAME' }],
  flags: [
    FILE,
    { name: 'reason', value: 'TEXT', required: true, about: 'Why; for whoever reviews it.' },
    JSON_FLAG,
    ...APPROVAL_FLAGS,
    ...URL_FLAGS,
  ],
  run: async (given, context) => {
    const { terminal, environment } = context;
    const connection = connectionFor(given.own, environment);
    const client = createClient(connection);
    const [name, text] = [String(given.input['name']), await textOf(given, context)];
    const basis = await previewed(client, { name, text }, context);
    const change = { name, text, reason: String(given.own['reason']), basis };
    const { policy } = await withPerson(
      (more) => client.policies.save(change, { ...approvalOptions(given.own), ...more }),
      connection.url,
      terminal,
    );
    if (given.own['json'] === true) terminal.print(JSON.stringify({ policy }, null, 2));
    else for (const line of renderDetails(POLICY, policy)) terminal.print(line);
    return EXIT.done;
  },
};

const remove: Command = {
  words: ['policies', 'remove'],
  summary: operations.removePolicy.summary,
  operation: operations.removePolicy.id,
  positionals: [{ field: 'id', label: 'POLICY' }],
  flags: [JSON_FLAG, ...APPROVAL_FLAGS, ...URL_FLAGS],
  run: async ({ input, own }, context) => {
    const { terminal, environment } = context;
    const connection = connectionFor(own, environment);
    const client = createClient(connection);
    const id = String(input['id']);
    const basis = await previewed(client, { remove: id }, context);
    const removed = await withPerson(
      (more) => client.policies.remove({ id, basis }, { ...approvalOptions(own), ...more }),
      connection.url,
      terminal,
    );
    terminal.print(own['json'] === true ? JSON.stringify(removed, null, 2) : `removed  ${removed.id}`);
    return EXIT.done;
  },
};

/** `policies`. */
export const POLICY_COMMANDS: readonly Command[] = [
  listCommand({
    words: ['policies', 'list'],
    operation: operations.listPolicies,
    call: (client) => client.policies.list,
    columns: POLICY,
  }),
  apiCommand({
    words: ['policies', 'schema'],
    operation: operations.getPolicySchema,
    call: (client) => client.policies.schema,
    show: ({ schema }) => schema.trimEnd().split('\n'),
  }),
  preview,
  save,
  remove,
];
