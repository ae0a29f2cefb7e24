import type { SignOn } from '@keyhold/protocol/operations/sign-on';
import * as operations from '@keyhold/protocol/operations/sign-on';
import { apiCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';

const SIGN_ON: readonly Field<SignOn>[] = [
  ['name', ({ name }) => name],
  ['issuer', ({ issuer }) => issuer],
  ['client', ({ clientId, hasSecret }) => `${clientId}${hasSecret ? '' : ', without a secret'}`],
  ['groups', ({ groupsClaim }) => groupsClaim],
  ['makes people', ({ makesPeople }) => makesPeople],
  ['deactivated', ({ onDeactivated }) => onDeactivated],
  [
    'roles',
    ({ roles }) =>
      roles.map(
        ({ group, role, project, environment }) => `${group}: ${role}@${environment ?? project ?? 'installation'}`,
      ),
  ],
  ['redirect', ({ redirectUri }) => redirectUri],
  ['saved', ({ savedAt }) => time(savedAt)],
];

const LABELS = ['NAME'];

/** `sign-on`. */
export const SIGN_ON_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['sign-on', 'save'],
    operation: operations.saveSignOn,
    call: (client) => client.signOn.save,
    labels: LABELS,
    show: ({ signOn }) => renderDetails(SIGN_ON, signOn),
  }),
  apiCommand({
    words: ['sign-on', 'list'],
    operation: operations.listSignOns,
    call: (client) => client.signOn.list,
    show: ({ items }) => renderTable(SIGN_ON, items, (text) => text),
  }),
  apiCommand({
    words: ['sign-on', 'create-token'],
    operation: operations.createProvisioningToken,
    call: (client) => client.signOn.createToken,
    labels: LABELS,
    show: ({ token }) => [`token    ${token.id}: for SCIM 2.0 at /scim/v2`],
  }),
  apiCommand({
    words: ['sign-on', 'remove'],
    operation: operations.removeSignOn,
    call: (client) => client.signOn.remove,
    labels: LABELS,
    show: ({ name, rolesEnded }) => [`removed  ${name}; ${rolesEnded} roles by its groups ended`],
  }),
];
