import { readFileSync, writeFileSync } from 'node:fs';
import type { Workload } from '@keyhold/protocol/operations/workloads';
import * as operations from '@keyhold/protocol/operations/workloads';
import { ExchangeRefused, exchangeToken } from '@keyhold/sdk/exchange-token';
import { apiCommand, listCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { checkUrl, URL_FLAGS } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failure.ts';
import { type Field, renderDetails } from '../table.ts';

const WORKLOAD: readonly Field<Workload>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['issuer', ({ issuer }) => issuer],
  ['audience', ({ audience }) => audience],
  ['claims', ({ claims }) => Object.entries(claims).map(([name, value]) => `${name}=${value}`)],
  ['scopes', ({ scopes }) => scopes],
  ['bound to', ({ projects, environment }) => environment ?? projects],
  ['seconds', ({ ttlSeconds }) => ttlSeconds],
  ['state', ({ state }) => state],
];

const exchange: Command = {
  words: ['workloads', 'exchange'],
  summary: "Exchange a workload's own token of its issuer for a short-lived one of ours",
  positionals: [],
  flags: [
    {
      name: 'jwt-file',
      value: 'FILE',
      required: true,
      about: "File that holds the issuer's token; - for standard input.",
    },
    { name: 'output', value: 'FILE', about: 'Written with mode 0600; else it is printed.' },
    { name: 'workload', value: 'WORKLOAD', about: 'Where the token is of several.' },
    ...URL_FLAGS.filter(({ name }) => name === 'url'),
  ],
  run: async ({ own }, { environment, terminal }) => {
    const file = String(own['jwt-file']);
    const jwt = (file === '-' ? await terminal.readInput() : readJwt(file)).trim();
    const url = checkUrl(typeof own['url'] === 'string' ? own['url'] : environment.url);
    const workload = typeof own['workload'] === 'string' ? own['workload'] : undefined;
    try {
      const { token, expiresInSeconds } = await exchangeToken({ url }, jwt, workload);
      if (typeof own['output'] !== 'string') terminal.print(token);
      else writeFileSync(own['output'], token, { mode: 0o600 });
      terminal.note(`good for ${expiresInSeconds} seconds`);
      return EXIT.done;
    } catch (error) {
      if (!(error instanceof ExchangeRefused)) throw error;
      terminal.note(error.message);
      return EXIT.refused;
    }
  },
};

function readJwt(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`the file of the token cannot be read (${(error as NodeJS.ErrnoException).code})`);
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
    taken: 'dead',
  }),
  exchange,
];
