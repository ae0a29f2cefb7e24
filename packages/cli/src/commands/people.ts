import type { Person, RoleGrant } from '@keyhold/protocol/operations/people';
import type { CustomRole } from '@keyhold/protocol/operations/custom-roles';
import * as customRoles from '@keyhold/protocol/operations/custom-roles';
import * as operations from '@keyhold/protocol/operations/people';
import { apiCommand, listCommand } from '../api-command.ts';
import type { Command } from '../command.ts';
import { type Field, renderDetails, renderTable, time } from '../table.ts';

const whereOf = ({ project, environment }: Pick<RoleGrant, 'project' | 'environment'>) =>
  environment ?? project ?? 'installation';

const brief = ({ expiresAt, ...grant }: RoleGrant) =>
  `${grant.role}@${whereOf(grant)}${expiresAt === null ? '' : ` until ${time(expiresAt)}`}`;

const PERSON: readonly Field<Person>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['state', ({ state }) => state],
  ['passkeys', ({ passkeys }) => passkeys],
  ['roles', ({ roles }) => roles.map(brief)],
  ['created', ({ createdAt }) => time(createdAt)],
];

const GRANT: readonly Field<RoleGrant>[] = [
  ['id', ({ id }) => id],
  ['role', ({ role }) => role],
  ['at', whereOf],
  ['reason', ({ reason }) => reason],
  ['expires', ({ expiresAt }) => time(expiresAt)],
];

const PERSON_LABEL = ['PERSON'];

const showInvited = ({ person, url }: { readonly person: Person; readonly url?: string }) => [
  ...renderDetails(PERSON, person),
  ...(url === undefined ? [] : [`open     ${url}`]),
];

const showWithRoles = ({ person }: { readonly person: Person }) => [
  ...renderDetails(
    PERSON.filter(([label]) => label !== 'roles'),
    person,
  ),
  '',
  ...renderTable(GRANT, person.roles),
];

interface Left {
  readonly person: Person;
  readonly tokens: readonly string[];
  readonly workloads: readonly string[];
}

/** Tokens and workloads outlive whoever made them: somebody has to look at them. */
const showLeft = ({ person, tokens, workloads }: Left) => [
  ...renderDetails(PERSON, person),
  ...tokens.map((id) => `made     ${id}, which still opens something`),
  ...workloads.map((id) => `trusted  ${id}, which still is`),
];

/** Where he is not to come back, what he made has an end too. */
const showLeftBehind = (left: Left) => [
  ...showLeft(left),
  ...(left.tokens.length + left.workloads.length === 0
    ? []
    : [`To end that too: keyhold offboardings create --of ${left.person.id}`]),
];

const CUSTOM_ROLE: readonly Field<CustomRole>[] = [
  ['name', ({ name }) => name],
  ['about', ({ about }) => about],
  ['actions', ({ actions }) => actions],
  ['saved', ({ savedAt }) => time(savedAt)],
];

/** `people`, `roles`. */
export const PEOPLE_COMMANDS: readonly Command[] = [
  apiCommand({
    words: ['people', 'invite'],
    operation: operations.invitePerson,
    call: (client) => client.people.invite,
    show: showInvited,
  }),
  listCommand({
    words: ['people', 'list'],
    operation: operations.listPeople,
    call: (client) => client.people.list,
    columns: PERSON,
  }),
  apiCommand({
    words: ['people', 'get'],
    operation: operations.getPerson,
    call: (client) => client.people.get,
    labels: PERSON_LABEL,
    show: showWithRoles,
  }),
  apiCommand({
    words: ['people', 'reinvite'],
    operation: operations.reinvitePerson,
    call: (client) => client.people.reinvite,
    labels: PERSON_LABEL,
    show: showInvited,
  }),
  apiCommand({
    words: ['people', 'suspend'],
    operation: operations.suspendPerson,
    call: (client) => client.people.suspend,
    labels: PERSON_LABEL,
    show: showLeftBehind,
  }),
  apiCommand({
    words: ['people', 'resume'],
    operation: operations.resumePerson,
    call: (client) => client.people.resume,
    labels: PERSON_LABEL,
    show: showLeft,
  }),
  apiCommand({
    words: ['people', 'remove'],
    operation: operations.removePerson,
    call: (client) => client.people.remove,
    labels: PERSON_LABEL,
    show: showLeftBehind,
  }),
  apiCommand({
    words: ['roles', 'grant'],
    operation: operations.grantRole,
    call: (client) => client.people.grantRole,
    labels: PERSON_LABEL,
    show: ({ grant }) => renderDetails(GRANT, grant),
  }),
  apiCommand({
    words: ['roles', 'end'],
    operation: operations.endRole,
    call: (client) => client.people.endRole,
    labels: ['ROLE'],
    show: ({ person }) => renderDetails(PERSON, person),
  }),
  listCommand({
    words: ['roles', 'list-custom'],
    operation: customRoles.listCustomRoles,
    call: (client) => client.customRoles.list,
    columns: CUSTOM_ROLE,
  }),
  apiCommand({
    words: ['roles', 'save-custom'],
    operation: customRoles.saveCustomRole,
    call: (client) => client.customRoles.save,
    labels: ['NAME'],
    show: ({ role }) => renderDetails(CUSTOM_ROLE, role),
  }),
  apiCommand({
    words: ['roles', 'remove-custom'],
    operation: customRoles.removeCustomRole,
    call: (client) => client.customRoles.remove,
    labels: ['NAME'],
    show: ({ name }) => [`removed  ${name}`],
  }),
];
