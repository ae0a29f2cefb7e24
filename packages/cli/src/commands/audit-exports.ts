import type { LogExport } from '@keyhold/protocol/operations/audit';
import * as operations from '@keyhold/protocol/operations/audit';
import { apiCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { UsageError } from '../failure.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';

const EXPORT: readonly Field<LogExport>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['kind', ({ kind }) => kind],
  ['up to', ({ sequence }) => sequence],
  ['lag', ({ lag }) => lag],
  ['delivered', ({ deliveredAt }) => (deliveredAt === null ? null : time(deliveredAt))],
  ['last error', ({ failures, lastError }) => (failures === 0 ? null : lastError)],
];

const create = apiCommand({
  words: ['audit', 'exports', 'create'],
  operation: operations.createExport,
  call: (client) => client.audit.createExport,
  show: (created) => renderDetails(EXPORT, created),
});

/** `audit exports` */
export const EXPORT_COMMANDS: readonly Command[] = [
  {
    ...create,
    run: async (given, context) => {
      // Whoever means the webhook by --url would send his token there.
      if (given.input['kind'] === 'webhook' && given.input['url'] === undefined) {
        throw new UsageError('--webhook-url URL is missing; --url says where the command itself goes');
      }
      return await create.run(given, context);
    },
  },
  apiCommand({
    words: ['audit', 'exports', 'list'],
    operation: operations.listExports,
    call: (client) => client.audit.listExports,
    show: ({ items, publicKey }) => [
      ...renderTable(EXPORT, items),
      ...(publicKey === null ? [] : ['', `webhooks are signed with ${publicKey}`]),
    ],
  }),
  apiCommand({
    words: ['audit', 'exports', 'remove'],
    operation: operations.removeExport,
    call: (client) => client.audit.removeExport,
    labels: ['EXPORT'],
    show: ({ id }) => [`removed  ${id}: no more entries are sent there`],
  }),
];
