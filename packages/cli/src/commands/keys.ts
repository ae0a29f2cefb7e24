import type { Delivery } from '@keyhold/protocol/operations/deliveries';
import type { Credential } from '@keyhold/protocol/operations/credentials';
import type { Key } from '@keyhold/protocol/operations/keys';
import * as operations from '@keyhold/protocol/operations/keys';
import { apiCommand, listCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';
import { quota, rateLimits } from './limits.ts';
import { showDelivery } from './secrets.ts';

const KEY: readonly Field<Key>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['environment', ({ project, environment }) => `${project}/${environment}`],
  ['state', ({ state }) => state],
  ['permissions', ({ permissions }) => permissions],
  ['expires', ({ expiresAt }) => time(expiresAt)],
  ['last used', ({ credentials }) => time(lastUse(credentials))],
];

const KEY_DETAILS: readonly Field<Key>[] = [
  ...KEY.slice(0, 3),
  ['consumer', ({ consumer }) => consumer],
  ['state', ({ state, reason }) => (reason === null ? state : `${state} (${reason})`)],
  ['permissions', ({ permissions }) => permissions],
  ['networks', ({ allowedNetworks }) => (allowedNetworks.length === 0 ? 'from anywhere' : allowedNetworks)],
  ['address book', ({ addressBook }) => addressBook],
  ['rate limits', rateLimits],
  ['quota', quota],
  ['metadata', ({ metadata }) => metadata],
  ['starts', ({ startsAt }) => time(startsAt)],
  ['expires', ({ expiresAt }) => time(expiresAt)],
  ['created', ({ createdAt }) => time(createdAt)],
];

const CREDENTIAL: readonly Field<Credential>[] = [
  ['credential', ({ id }) => id],
  ['kind', ({ kind, algorithm }) => algorithm ?? kind],
  ['hint', ({ hint }) => hint],
  ['state', ({ state, reason }) => (reason === null ? state : `${state} (${reason})`)],
  ['expires', ({ expiresAt }) => time(expiresAt)],
  ['last used', ({ lastUsedAt }) => time(lastUsedAt)],
  ['from', ({ lastUsedFrom }) => lastUsedFrom],
  ['uses', ({ uses }) => uses],
];

function lastUse(credentials: readonly Credential[]): string | null {
  // RFC 3339 in UTC with milliseconds sorts as text.
  return credentials.map(({ lastUsedAt }) => lastUsedAt).reduce((a, b) => ((a ?? '') > (b ?? '') ? a : b), null);
}

const showKey = (key: Key) => [...renderDetails(KEY_DETAILS, key), '', ...renderTable(CREDENTIAL, key.credentials)];
const showState = ({ key }: { key: Key }) => renderDetails([KEY[0], KEY[1], KEY_DETAILS[4]] as Field<Key>[], key);

/** It is in this answer only: what is not shown here is lost. */
const showDelivered = (delivery: Delivery | undefined) =>
  delivery === undefined ? [] : ['', ...showDelivery(delivery)];

/** `keys`, `credentials`. */
export const KEY_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['keys', 'issue'],
    operation: operations.issueKey,
    call: (client) => client.keys.issue,
    show: ({ key, delivery }) => [...showKey(key), ...showDelivered(delivery)],
  }),
  listCommand({
    words: ['keys', 'list'],
    operation: operations.listKeys,
    call: (client) => client.keys.list,
    columns: KEY,
  }),
  apiCommand({
    words: ['keys', 'get'],
    operation: operations.getKey,
    call: (client) => client.keys.get,
    labels: ['KEY'],
    show: showKey,
  }),
  apiCommand({
    words: ['keys', 'update'],
    operation: operations.updateKey,
    call: (client) => client.keys.update,
    labels: ['KEY'],
    show: ({ key }) => showKey(key),
  }),
  apiCommand({
    words: ['keys', 'rotate'],
    operation: operations.rotateKey,
    call: (client) => client.keys.rotate,
    labels: ['KEY'],
    show: ({ credential, previous, delivery }) => [
      ...renderTable(CREDENTIAL, previous === null ? [credential] : [credential, previous]),
      ...showDelivered(delivery),
    ],
    // With a short overlap there is a barrier too, and the old one goes on.
    taken: ({ previous }) => (previous?.state === 'active' ? 'the end of the old one is known' : 'the old one is dead'),
  }),
  apiCommand({
    words: ['keys', 'suspend'],
    operation: operations.suspendKey,
    call: (client) => client.keys.suspend,
    labels: ['KEY'],
    show: showState,
    taken: () => 'suspended',
  }),
  apiCommand({
    words: ['keys', 'resume'],
    operation: operations.resumeKey,
    call: (client) => client.keys.resume,
    labels: ['KEY'],
    show: showState,
  }),
  apiCommand({
    words: ['keys', 'revoke-many'],
    operation: operations.revokeKeys,
    call: (client) => client.keys.revokeMany,
    show: ({ revoked, refused }) => [
      `revoked  ${revoked.length}`,
      ...refused.map(({ id, code, detail }) => `refused  ${id}: ${code}: ${detail}`),
    ],
    refused: ({ refused }) => refused.length > 0,
    taken: () => 'dead',
  }),
  apiCommand({
    words: ['keys', 'revoke'],
    operation: operations.revokeKey,
    call: (client) => client.keys.revoke,
    labels: ['KEY'],
    show: showState,
    taken: () => 'dead',
  }),
  apiCommand({
    words: ['keys', 'destroy'],
    operation: operations.destroyKey,
    call: (client) => client.keys.destroy,
    labels: ['KEY'],
    show: showState,
    taken: () => 'gone',
  }),
  apiCommand({
    words: ['credentials', 'revoke'],
    operation: operations.revokeCredential,
    call: (client) => client.credentials.revoke,
    labels: ['CREDENTIAL'],
    show: ({ credential }) => renderDetails(CREDENTIAL, credential),
    taken: () => 'dead',
  }),
];
