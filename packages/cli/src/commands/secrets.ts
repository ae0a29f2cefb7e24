import type { SecretVersion, StoredSecret } from '@keyhold/protocol/operations/secrets';
import * as operations from '@keyhold/protocol/operations/secrets';
import {
  type Delivery,
  endDelivery,
  type ListedDelivery,
  listDeliveries,
  takeDelivery,
} from '@keyhold/protocol/operations/deliveries';
import { findRoundedNumber } from '@keyhold/protocol/rounded-number';
import { createClient } from '@keyhold/sdk/client';
import { apiCommand, JSON_FLAG, listCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { connectionFor, readSecretFile, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import { type Flag, flagsOf } from '../flag.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';

const SECRET: readonly Field<StoredSecret>[] = [
  ['id', ({ id }) => id],
  ['place', ({ project, environment }) => `${project}/${environment}`],
  ['path', ({ path }) => path],
  ['version', ({ version }) => version],
  ['provider', ({ metadata }) => metadata.provider],
  ['owner', ({ metadata }) => metadata.owner],
  ['rotate by', ({ metadata }) => time(metadata.rotateBy ?? null)],
  ['rotate every', ({ metadata }) => metadata.rotateEveryDays && `${metadata.rotateEveryDays} days`],
  ['updated', ({ updatedAt }) => time(updatedAt)],
];

const VERSION: readonly Field<SecretVersion>[] = [
  ['version', ({ version }) => version],
  ['state', ({ state }) => state],
  ['created', ({ createdAt }) => time(createdAt)],
  ['deleted', ({ deletedAt }) => time(deletedAt)],
  ['expires', ({ expiresAt }) => time(expiresAt)],
];

const DATA_FILE: Flag = {
  name: 'data-file',
  value: 'FILE',
  about: 'File that holds the data, a JSON object; without it, stdin.',
};

/** The data comes from a file or stdin, never from an argument. */
const store: Command = {
  words: ['secrets', 'store'],
  summary: operations.storeSecret.summary,
  operation: operations.storeSecret.id,
  positionals: [],
  flags: [
    ...flagsOf(operations.storeSecret).filter(({ field }) => field !== 'data'),
    DATA_FILE,
    JSON_FLAG,
    ...URL_FLAGS,
  ],
  run: async ({ input, own }, { environment, terminal }) => {
    const file = own['data-file'];
    const text = typeof file === 'string' ? readSecretFile(file, 'data') : await terminal.readInput();
    const client = createClient(connectionFor(own, environment));
    const body = { ...input, data: dataOf(text) } as Parameters<typeof client.secrets.store>[0];
    const stored = await client.secrets.store(body);
    if (own['json'] === true) terminal.print(JSON.stringify(stored, null, 2));
    else for (const line of renderDetails(SECRET, stored.secret)) terminal.print(line);
    return EXIT.done;
  },
};

function dataOf(text: string): Readonly<Record<string, unknown>> {
  const data = parsed(text);
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw new UsageError('the data is not a JSON object such as {"apiKey": "…", "apiSecret": "…"}');
  // Parsing has rounded it: the server would not see that another one was given.
  if (findRoundedNumber(text) !== undefined)
    throw new UsageError('a number in the data would come back as another one: write it as text');
  return data as Record<string, unknown>;
}

/** Undefined where it does not parse: what was given is not repeated. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const DELIVERY: readonly Field<ListedDelivery>[] = [
  ['id', ({ id }) => id],
  ['of', ({ subject }) => subject],
  ['state', ({ state }) => state],
  ['made', ({ createdAt }) => time(createdAt)],
  ['expires', ({ expiresAt }) => time(expiresAt)],
  ['taken', ({ takenAt }) => (takenAt === null ? null : time(takenAt))],
];

/** A link or an age file: either goes to whom the secret is meant for, and is printed this once. */
export function showDelivery(delivery: Delivery): string[] {
  if ('encrypted' in delivery) return [delivery.encrypted.trimEnd()];
  const { id, path, token, expiresAt } = delivery;
  return [`id       ${id}`, `page     ${path}`, `token    ${token}`, `expires  ${time(expiresAt)}`];
}

const take: Command = {
  words: ['deliveries', 'take'],
  summary: takeDelivery.summary,
  operation: takeDelivery.id,
  positionals: [],
  flags: [
    { name: 'once-file', value: 'FILE', about: 'File that holds the one-time token; without it, stdin.' },
    JSON_FLAG,
    ...URL_FLAGS.filter(({ name }) => name === 'url'),
  ],
  run: async ({ own }, { environment, terminal }) => {
    const file = own['once-file'];
    const token = typeof file === 'string' ? readSecretFile(file, 'token') : await terminal.readSecret('token');
    if (token === '') throw new UsageError('no one-time token: give it on stdin or by --once-file FILE');
    const connection = connectionFor({ url: own['url'] }, { ...environment, tokenFile: undefined, token });
    const taken = await createClient(connection).deliveries.take();
    if (own['json'] === true) terminal.print(JSON.stringify(taken, null, 2));
    else terminal.print(typeof taken.content === 'string' ? taken.content : JSON.stringify(taken.content, null, 2));
    return EXIT.done;
  },
};

const changed = ({ versions }: { readonly versions: readonly SecretVersion[] }) => renderTable(VERSION, [...versions]);

/** `secrets`. */
export const SECRET_COMMANDS: readonly Command[] = [
  store,
  listCommand({
    words: ['secrets', 'list'],
    operation: operations.listSecrets,
    call: (client) => client.secrets.list,
    columns: SECRET,
  }),
  apiCommand({
    words: ['secrets', 'get'],
    operation: operations.getSecret,
    call: (client) => client.secrets.get,
    labels: ['SECRET'],
    show: (secret) => renderDetails(SECRET, secret),
  }),
  listCommand({
    words: ['secrets', 'list-versions'],
    operation: operations.listSecretVersions,
    call: (client) => client.secrets.listVersions,
    labels: ['SECRET'],
    columns: VERSION,
  }),
  apiCommand({
    words: ['secrets', 'update'],
    operation: operations.updateSecret,
    call: (client) => client.secrets.update,
    labels: ['SECRET'],
    show: (secret) => renderDetails(SECRET, secret),
  }),
  apiCommand({
    words: ['secrets', 'reveal'],
    operation: operations.revealSecret,
    call: (client) => client.secrets.reveal,
    labels: ['SECRET'],
    show: ({ data }) => [JSON.stringify(data, null, 2)],
  }),
  apiCommand({
    words: ['secrets', 'deliver'],
    operation: operations.deliverSecret,
    call: (client) => client.secrets.deliver,
    labels: ['SECRET'],
    show: ({ delivery }) => showDelivery(delivery),
  }),
  apiCommand({
    words: ['secrets', 'delete'],
    operation: operations.deleteSecretVersions,
    call: (client) => client.secrets.delete,
    labels: ['SECRET'],
    show: changed,
  }),
  apiCommand({
    words: ['secrets', 'undelete'],
    operation: operations.undeleteSecretVersions,
    call: (client) => client.secrets.undelete,
    labels: ['SECRET'],
    show: changed,
  }),
  apiCommand({
    words: ['secrets', 'destroy'],
    operation: operations.destroySecretVersions,
    call: (client) => client.secrets.destroy,
    labels: ['SECRET'],
    show: changed,
  }),
  apiCommand({
    words: ['secrets', 'remove'],
    operation: operations.removeSecret,
    call: (client) => client.secrets.remove,
    labels: ['SECRET'],
    show: ({ id, versions }) => [`removed  ${id} with ${versions} versions`],
  }),
  take,
  listCommand({
    words: ['deliveries', 'list'],
    operation: listDeliveries,
    call: (client) => client.deliveries.list,
    columns: DELIVERY,
  }),
  apiCommand({
    words: ['deliveries', 'end'],
    operation: endDelivery,
    call: (client) => client.deliveries.end,
    labels: ['DELIVERY'],
    show: ({ id, subject, takenAt }) => [
      takenAt === null ? `ended    ${id} of ${subject}` : `taken    ${id} of ${subject} ${time(takenAt)}: it is out`,
    ],
  }),
];
