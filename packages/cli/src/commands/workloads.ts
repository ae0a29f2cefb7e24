import { readFileSync } from 'node:fs';
import type { Workload } from '@keyhold/protocol/operations/workloads';
import * as operations from '@keyhold/protocol/operations/workloads';
import { exchangeCertificate } from '@keyhold/sdk/exchange-certificate';
import { exchangeToken } from '@keyhold/sdk/exchange-token';
import { ExchangeRefused } from '@keyhold/sdk/exchanged';
import { apiCommand, listCommand } from '../api-command.ts';
import type { Command, Given, Terminal } from '../command.ts';
import { checkUrl, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { exitCodeOf, UsageError } from '../failure.ts';
import { writePrivate } from '../private-file.ts';
import { type Field, renderDetails } from '../table.ts';

const WORKLOAD: readonly Field<Workload>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['issuer', ({ issuer }) => issuer],
  ['audience', ({ audience }) => audience ?? '(certificate)'],
  ['claims', ({ claims }) => Object.entries(claims).map(([name, value]) => `${name}=${value}`)],
  ['scopes', ({ scopes }) => scopes],
  ['bound to', ({ projects, environment }) => environment ?? projects],
  ['seconds', ({ ttlSeconds }) => ttlSeconds],
  ['state', ({ state }) => state],
];

const exchange: Command = {
  words: ['workloads', 'exchange'],
  summary: "Exchange a workload's own token of its issuer, or its certificate, for a short-lived one of ours",
  positionals: [],
  flags: [
    { name: 'jwt-file', value: 'FILE', about: "File that holds the issuer's token; - for standard input." },
    { name: 'cert-file', value: 'FILE', about: 'Instead: its certificate in PEM, and those between.' },
    { name: 'cert-key-file', value: 'FILE', about: 'Key of the certificate, in PEM. It is never sent.' },
    { name: 'output', value: 'FILE', about: 'Written with mode 0600; else it is printed.' },
    { name: 'workload', value: 'WORKLOAD', about: 'Where the token or certificate is of several.' },
    ...URL_FLAGS.filter(({ name }) => name === 'url'),
  ],
  run: async ({ own }, { environment, terminal }) => {
    const url = checkUrl(typeof own['url'] === 'string' ? own['url'] : environment.url);
    const workload = typeof own['workload'] === 'string' ? own['workload'] : undefined;
    const shown = await readShown(own, terminal);
    try {
      const { token, expiresInSeconds } =
        typeof shown === 'string'
          ? await exchangeToken({ url }, shown, workload)
          : await exchangeCertificate({ url: secureUrl(url), ...shown }, workload);
      if (typeof own['output'] !== 'string') terminal.print(token);
      else writePrivate(own['output'], token);
      terminal.note(`good for ${expiresInSeconds} seconds`);
      return EXIT.done;
    } catch (error) {
      if (String((error as NodeJS.ErrnoException).code).startsWith('ERR_OSSL')) {
        throw new UsageError('the certificate and its key cannot be used: each is a file in PEM, and they go together');
      }
      if (!(error instanceof ExchangeRefused)) throw error;
      terminal.note(error.message);
      return exitCodeOf(error.status);
    }
  },
};

/** A token of its issuer, or a certificate and its key. */
async function readShown(
  own: Given['own'],
  terminal: Terminal,
): Promise<string | { certificate: string; key: string }> {
  const [jwt, certificate, key] = [own['jwt-file'], own['cert-file'], own['cert-key-file']];
  if (typeof jwt === 'string' && certificate === undefined && key === undefined) {
    return jwt === '-' ? await terminal.readSecret('token') : read(jwt, 'token').trim();
  }
  if (jwt === undefined && typeof certificate === 'string' && typeof key === 'string') {
    return { certificate: read(certificate, 'certificate'), key: read(key, 'key') };
  }
  throw new UsageError('give --jwt-file, or --cert-file and --cert-key-file');
}

function secureUrl(url: string): string {
  if (url.startsWith('https:')) return url;
  throw new UsageError('a certificate is shown by https alone: give --url https://…');
}

function read(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`the file of the ${what} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** `workloads`. */
export const WORKLOAD_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['workloads', 'create'],
    operation: operations.createWorkload,
    call: (client) => client.workloads.create,
    show: ({ workload }) => renderDetails(WORKLOAD, workload),
  }),
  listCommand({
    words: ['workloads', 'list'],
    operation: operations.listWorkloads,
    call: (client) => client.workloads.list,
    columns: WORKLOAD,
  }),
  apiCommand({
    words: ['workloads', 'remove'],
    operation: operations.removeWorkload,
    call: (client) => client.workloads.remove,
    labels: ['WORKLOAD'],
    show: ({ workload, tokensRevoked }) => [
      ...renderDetails(WORKLOAD, workload),
      `revoked  ${tokensRevoked} of its tokens`,
    ],
    taken: () => 'dead',
  }),
  exchange,
];
