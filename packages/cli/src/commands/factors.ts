import type { Factor } from '@keyhold/protocol/operations/factors';
import * as operations from '@keyhold/protocol/operations/factors';
import { apiCommand, listCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { type Field, renderDetails, time } from '../table.ts';

const FACTOR: readonly Field<Factor>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['kind', ({ kind }) => kind],
  ['environment', ({ project, environment }) => `${project}/${environment}`],
  ['state', ({ state }) => state],
  ['created', ({ createdAt }) => time(createdAt)],
];

const show = ({ factor }: { readonly factor: Factor }) => renderDetails(FACTOR, factor);

/** `factors`. */
export const FACTOR_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['factors', 'enrol-totp'],
    operation: operations.enrolTotp,
    call: (client) => client.factors.enrolTotp,
    labels: ['CONSUMER'],
    show: ({ factor, uri }) => [...show({ factor }), ...(uri === undefined ? [] : [`uri  ${uri}`])],
  }),
  apiCommand({
    words: ['factors', 'confirm'],
    operation: operations.confirmFactor,
    call: (client) => client.factors.confirm,
    labels: ['FACTOR'],
    show,
  }),
  apiCommand({
    words: ['factors', 'enrol-passkey'],
    operation: operations.enrolPasskey,
    call: (client) => client.factors.enrolPasskey,
    labels: ['CONSUMER'],
    show: ({ factor, options }) => [
      ...show({ factor }),
      ...(options === undefined ? [] : [`options  ${JSON.stringify(options)}`]),
    ],
  }),
  apiCommand({
    words: ['factors', 'confirm-passkey'],
    operation: operations.confirmPasskey,
    call: (client) => client.factors.confirmPasskey,
    labels: ['FACTOR'],
    show,
  }),
  listCommand({
    words: ['factors', 'list'],
    operation: operations.listFactors,
    call: (client) => client.factors.list,
    labels: ['CONSUMER'],
    columns: FACTOR,
  }),
  apiCommand({
    words: ['factors', 'remove'],
    operation: operations.removeFactor,
    call: (client) => client.factors.remove,
    labels: ['FACTOR'],
    show,
    taken: () => 'gone',
  }),
];
