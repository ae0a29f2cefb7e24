import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/people';
import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import type { PersonRow, RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { Cursors } from '../../http/cursor.ts';
import { type Gate, mount } from '../../http/mount.ts';
import { pageOf } from '../../http/page.ts';
import { expose } from '../../vault/expose.ts';
import type { ChangeContext } from '../change-context.ts';
import { allow, allowOnInstallation, reachFor } from '../locate.ts';
import { findCustomRole } from '../custom-roles.store.ts';
import { isBuiltIn } from '../opener.ts';
import { INSTALLATION, type Principal } from '../principal.ts';
import { readExpiry } from '../read-expiry.ts';
import { readBinding, type TokenPlaces } from '../token.ts';
import { removePerson, resumePerson, suspendPerson } from './change-person.ts';
import { endRole, grantRole, noRole } from './grant-role.ts';
import { withPassword } from '../passwords/passwords.store.ts';
import type { InEnvironment } from '../../vault/vault.ts';
import { invitePerson, noPerson, reinvitePerson, type RoleGift } from './invite-person.ts';
import {
  countPasskeys,
  findPerson,
  findRole,
  listPeople,
  livingTokensMadeBy,
  rolesOf,
  workloadsMadeBy,
} from './people.store.ts';
import { bindingOf, isInForce, resourceOf, type RoleNamed, showGrant, showPerson } from './person.ts';

export interface PeopleRoutes {
  readonly gate: Gate<Principal>;
  readonly context: ChangeContext;
  readonly reader: Kysely<Database>;
  readonly cursors: Cursors;
  readonly roleNamed: RoleNamed;
  /** Of roles. */
  readonly places: TokenPlaces;
  /** Where the keys of the installation itself lie. */
  readonly home: InEnvironment;
  /** Origin of our pages. */
  readonly origin: () => string;
}

/** People of the installation, and their roles. */
export function mountPeople(app: FastifyInstance, routes: PeopleRoutes): void {
  const { gate, reader, origin } = routes;
  const context = { ...routes.context, reader, roleNamed: routes.roleNamed, home: routes.home };
  const show = (rows: readonly PersonRow[]) => showPeople(routes, rows);
  const urlOf = (secret: string) => new URL(`/enrol#${secret}`, origin()).href;

  mount(app, gate, operations.invitePerson, async ({ principal, body, ip, idempotency, confirm }) => {
    const denied = allowOnInstallation(principal, 'people.invite');
    if (denied !== null) return denied;
    const gift = await readGift(routes, principal, body);
    if (isRefusal(gift)) return gift;
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const invited = await invitePerson(
      context,
      { principal, ip, idempotency },
      { name: body.name, password: body.allowPassword ?? false, ...gift },
    );
    if (isRefusal(invited)) return invited;
    const { value, repeated, sequence } = invited;
    const [person] = await show([value.person]);
    if (person === undefined) return refuse('PERSON_NOT_FOUND', 'He is gone.');
    if (repeated) return { body: { person, secretShown: true as const }, repeated, sequence };
    const secret = expose(value.secret);
    return { body: { person, secret, url: urlOf(secret) }, sequence };
  });

  mount(app, gate, operations.reinvitePerson, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const denied =
      allowOnInstallation(principal, 'people.invite') ?? (await refuseGone(reader, params.id)) ?? (await confirm());
    if (denied !== null) return denied;
    const invited = await reinvitePerson(
      context,
      { principal, ip, idempotency },
      params.id,
      body.allowPassword ?? false,
    );
    if (isRefusal(invited)) return invited;
    const [person] = await show([invited.value.person]);
    const secret = expose(invited.value.secret);
    if (person === undefined) return refuse('PERSON_NOT_FOUND', 'He is gone.');
    return { body: { person, secret, url: urlOf(secret) }, sequence: invited.sequence };
  });

  const changes = [
    [operations.suspendPerson, 'people.suspend', suspendPerson, false],
    [operations.resumePerson, 'people.resume', resumePerson, true],
    [operations.removePerson, 'people.remove', removePerson, false],
  ] as const;
  for (const [operation, action, change, widens] of changes) {
    mount(app, gate, operation, async ({ principal, params, ip, idempotency, confirm }) => {
      const denied =
        allowOnInstallation(principal, action) ??
        (widens ? ((await refuseGone(reader, params.id)) ?? (await confirm())) : null);
      if (denied !== null) return denied;
      const changed = await change(context, { principal, ip, idempotency }, params.id);
      if (isRefusal(changed)) return changed;
      const [person] = await show([changed.value]);
      if (person === undefined) return refuse('PERSON_NOT_FOUND', 'He is gone.');
      const tokens = await livingTokensMadeBy(reader, params.id, context.clock.wall());
      const workloads = await workloadsMadeBy(reader, params.id);
      return { body: { person, tokens, workloads }, sequence: changed.sequence };
    });
  }

  mountReading(app, routes);
  mountRoles(app, routes);
}

function mountReading(app: FastifyInstance, routes: PeopleRoutes): void {
  const { gate, reader, cursors } = routes;
  const show = (rows: readonly PersonRow[]) => showPeople(routes, rows);

  mount(app, gate, operations.listPeople, async ({ principal, query }) => {
    const denied = allowOnInstallation(principal, 'people.read');
    if (denied !== null) return denied;
    const page = { list: operations.listPeople.id, principal: principal.id, query };
    const load = (after: string | undefined, limit: number) => listPeople(reader, after, limit);
    const found = await pageOf(cursors, page, load, ({ id }) => id, show);
    return isRefusal(found) ? found : { body: found };
  });

  mount(app, gate, operations.getPerson, async ({ principal, params }) => {
    const denied = allowOnInstallation(principal, 'people.read');
    if (denied !== null) return denied;
    const row = await findPerson(reader, params.id);
    const [person] = row === undefined ? [] : await show([row]);
    return person === undefined ? noPerson(params.id) : { body: { person } };
  });
}

function mountRoles(app: FastifyInstance, routes: PeopleRoutes): void {
  const { gate, reader, places } = routes;
  const context = { ...routes.context, reader };

  mount(app, gate, operations.grantRole, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const gift = await readGift(routes, principal, body);
    if (isRefusal(gift)) return gift;
    // What is repeated is answered as it was then.
    const gone = idempotency === undefined ? await refuseGone(reader, params.id) : null;
    const unconfirmed = gone ?? (await confirm());
    if (unconfirmed !== null) return unconfirmed;
    const granted = await grantRole(context, { principal, ip, idempotency }, params.id, gift);
    if (isRefusal(granted)) return granted;
    const { value, repeated, sequence } = granted;
    return { body: { grant: showGrant(value, await places.names([bindingOf(value)])) }, repeated, sequence };
  });

  mount(app, gate, operations.endRole, async ({ principal, params, ip, idempotency }) => {
    const absent = noRole(params.id);
    const role = await findRole(reader, params.id);
    const denied = allow(principal, 'roles.end', role === undefined ? absent : { resource: resourceOf(role), absent });
    if (denied !== null || role === undefined) return denied ?? absent;
    const ended = await endRole(context, { principal, ip, idempotency }, role);
    if (isRefusal(ended)) return ended;
    const reach = reachFor(principal, 'roles.end');
    const isHis = (one: RoleGrantRow) => !isRefusal(reach) && reach.reaches(resourceOf(one));
    const [person] = await showPeople(routes, [ended.value], isHis);
    return person === undefined ? absent : { body: { person }, sequence: ended.sequence };
  });
}

/** Asked before anybody confirms what can't be done. */
async function refuseGone(reader: Kysely<Database>, id: string): Promise<Refusal | null> {
  const person = await findPerson(reader, id);
  return person === undefined || person.state === 'removed' ? noPerson(id, person) : null;
}

interface AskedRole {
  readonly role: string;
  readonly project?: string;
  readonly environment?: string;
  readonly reason: string;
  readonly expiresAt?: string;
}

/** A role that was asked for by names, within where the caller may give any. */
async function readGift(
  { places, reader, roleNamed }: PeopleRoutes,
  principal: Principal,
  { role, project, environment, reason, expiresAt }: AskedRole,
): Promise<RoleGift | Refusal> {
  const reach = reachFor(principal, 'roles.grant');
  if (isRefusal(reach)) return reach;
  const binding = await readBinding(places, principal, {
    ...(project === undefined ? {} : { projects: [project] }),
    ...(environment === undefined ? {} : { environment }),
  });
  if (isRefusal(binding)) return binding;
  const until = readExpiry(expiresAt);
  if (isRefusal(until)) return until;
  if (!isBuiltIn(role) && (await findCustomRole(reader, role)) === undefined)
    return refuse('INVALID_INPUT', `There is no role "${role}".`, '/role');
  return { role: roleNamed(role), at: binding.at[0] ?? INSTALLATION, reason, expiresAt: until };
}

/** @param isSeen whether a role of theirs may be shown */
async function showPeople(
  { reader, places, context }: PeopleRoutes,
  rows: readonly PersonRow[],
  isSeen: (role: RoleGrantRow) => boolean = () => true,
) {
  const ids = rows.map(({ id }) => id);
  const now = context.clock.wall();
  const roles = (await rolesOf(reader, ids)).filter((role) => isInForce(role, now) && isSeen(role));
  const passkeys = await countPasskeys(reader, ids);
  const names = await places.names(roles.map(bindingOf));
  const typing = await withPassword(reader, ids);
  return rows.map((row) => {
    const own = roles.filter(({ person_id }) => person_id === row.id);
    return showPerson(row, { passkeys: passkeys.get(row.id) ?? 0, password: typing.has(row.id), roles: own, names });
  });
}
