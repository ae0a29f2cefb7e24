import type { Token } from '@keyhold/protocol/operations/access';
import * as operations from '@keyhold/protocol/operations/access';
import { apiCommand, listCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { type Field, renderDetails, time } from '../table.ts';

const TOKEN: readonly Field<Token>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['kind', ({ kind }) => kind],
  ['scopes', ({ scopes }) => scopes],
  ['bound to', ({ projects, environment }) => environment ?? projects],
  ['hint', ({ hint }) => hint],
  ['state', ({ state }) => state],
  ['expires', ({ expiresAt }) => time(expiresAt)],
];

/** `tokens`. */
export const TOKEN_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['tokens', 'create'],
    operation: operations.createToken,
    call: (client) => client.tokens.create,
    show: ({ token }) => renderDetails(TOKEN, token),
  }),
  listCommand({
    words: ['tokens', 'list'],
    operation: operations.listTokens,
    call: (client) => client.tokens.list,
    columns: TOKEN,
  }),
  apiCommand({
    words: ['tokens', 'revoke'],
    operation: operations.revokeToken,
    call: (client) => client.tokens.revoke,
    labels: ['TOKEN'],
    show: ({ token }) => renderDetails(TOKEN, token),
    taken: () => 'dead',
  }),
];
