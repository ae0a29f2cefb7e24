import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/sign-on';
import type { FastifyInstance } from 'fastify';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import { ANYBODY, type Gate, mount } from '../../http/mount.ts';
import type { OpenId } from '../../http/openid.ts';
import { expose } from '../../vault/expose.ts';
import type { Secret } from '../../vault/secret.ts';
import type { InEnvironment, Vault } from '../../vault/vault.ts';
import type { Caller } from '../change-context.ts';
import { findCustomRole } from '../custom-roles.store.ts';
import { allowOnInstallation } from '../locate.ts';
import { isBuiltIn } from '../opener.ts';
import { ownsForGood } from '../policies/save-policy.ts';
import { refuseExcess } from '../refuse-excess.ts';
import { INSTALLATION, type Principal } from '../principal.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { readExpiry } from '../read-expiry.ts';
import { readBinding, showToken, type TokenPlaces } from '../token.ts';
import { bindingOf } from '../people/person.ts';
import { createProvisioningToken } from './create-provisioning-token.ts';
import { removeSignOn, saveSignOn } from './save-sign-on.ts';
import { type MappedRole, mappedRolesOf, showSignOn, signOnPath } from './sign-on.ts';
import type { SignOnsUnderWay } from './sign-ons-under-way.ts';
import { findSignOn, listSignOns } from './sign-ons.store.ts';

export interface SignOnRoutes {
  readonly gate: Gate<Principal>;
  readonly signIn: SignInContext;
  readonly vault: Vault;
  /** Where clients' secrets lie. */
  readonly place: InEnvironment;
  /** Of roles. */
  readonly places: TokenPlaces;
  /** Reveals the field `clientSecret` of a stored secret to whoever may see it, with its entry. */
  readonly clientSecretAt: (caller: Caller, at: SecretAt) => Promise<Secret | Refusal>;
  readonly openId: OpenId;
  readonly underWay: SignOnsUnderWay;
  /** Told what was saved, before that is answered. */
  readonly saved: (signOn: SignOnRow) => Promise<void>;
  /** Told which provider did not do, and why in a word. */
  readonly signOnFailed: (name: string, reason: string) => void;
}

export interface SecretAt {
  readonly project: string;
  readonly environment: string;
  readonly path: string;
}

/** Which providers are trusted, and what their groups give. */
export function mountSignOn(app: FastifyInstance, routes: SignOnRoutes): void {
  const { gate, signIn, vault, place, places } = routes;
  const { reader } = signIn;
  const show = async (rows: readonly SignOnRow[]) => {
    const names = await places.names(rows.flatMap(mappedRolesOf).map(bindingOf));
    return rows.map((row) => showSignOn(row, names, signIn.site().origin));
  };

  mount(app, gate, operations.listSignOns, async ({ principal }) => {
    const denied = allowOnInstallation(principal, 'sign-on.read');
    return denied ?? { body: { items: await show(await listSignOns(reader)) } };
  });

  mount(app, gate, operations.saveSignOn, async ({ principal, params, body, ip, idempotency, confirm }) => {
    const denied =
      allowOnInstallation(principal, 'sign-on.change') ?? refuseBorrowed(principal) ?? refuseInsecure(body.issuer);
    if (denied !== null) return denied;
    const roles = await readRoles(routes, principal, body.roles);
    if (isRefusal(roles)) return roles;
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const { clientSecretFrom: from, groupsClaim = 'groups', subjectClaim = 'sub', onDeactivated = 'off-board' } = body;
    const caller = { principal, ip, idempotency };
    const clientSecret = from === undefined || from === null ? from : await routes.clientSecretAt(caller, from);
    if (isRefusal(clientSecret)) return clientSecret;
    const { issuer, clientId, makesPeople } = body;
    const said = { issuer, clientId, makesPeople, groupsClaim, subjectClaim, onDeactivated };
    const input = { ...params, ...said, clientSecret, roles };
    const saved = await saveSignOn(vault, caller, place, input);
    if (isRefusal(saved)) return saved;
    // Whom it keeps here has what its groups give from now on.
    await routes.saved(saved.value);
    const [signOn] = await show([saved.value]);
    if (signOn === undefined) return refuse('SIGN_ON_NOT_FOUND', 'It is gone.');
    return { body: { signOn }, sequence: saved.sequence };
  });

  mount(app, gate, operations.removeSignOn, async ({ principal, params: { name }, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'sign-on.remove');
    if (denied !== null) return denied;
    const removed = await removeSignOn(vault, { principal, ip, idempotency }, name);
    return isRefusal(removed) ? removed : { body: { name, ...removed.value }, sequence: removed.sequence };
  });
}

/** What providers, and those who sign in there, are given to go on with. */
export function mountSignOnTokens(app: FastifyInstance, routes: SignOnRoutes): void {
  const { gate, signIn, places } = routes;
  const { reader } = signIn;

  mount(app, ANYBODY, operations.listWaysIn, async () => {
    const items = (await listSignOns(reader)).map(({ name }) => ({ name, path: signOnPath(name) }));
    return { body: { items } };
  });

  mount(app, gate, operations.linkIdentity, async ({ principal, body: { name }, confirm }) => {
    const { session } = principal;
    if (session?.kind !== 'browser') return refuse('FORBIDDEN', 'This is for people who signed in with a browser.');
    const unconfirmed = await confirm();
    if (unconfirmed !== null) return unconfirmed;
    const found = await findSignOn(reader, name);
    if (found === undefined) return refuse('SIGN_ON_NOT_FOUND', `There is no ${name}.`, '/name');
    const ticket = routes.underWay.ticket(found.id, { person: principal.id, session: session.id });
    return { body: { path: `${signOnPath(name)}?link=${ticket}` } };
  });

  mount(
    app,
    gate,
    operations.createProvisioningToken,
    async ({ principal, params, body, ip, idempotency, confirm }) => {
      const denied = allowOnInstallation(principal, 'sign-on.change') ?? refuseBorrowed(principal) ?? (await confirm());
      if (denied !== null) return denied;
      const found = await findSignOn(reader, params.name);
      if (found === undefined) return refuse('SIGN_ON_NOT_FOUND', `There is no ${params.name}.`, 'name');
      const expiresAt = readExpiry(body.expiresAt);
      if (isRefusal(expiresAt)) return expiresAt;
      const created = await createProvisioningToken(signIn, { principal, ip, idempotency }, found, expiresAt);
      if (isRefusal(created)) return created;
      const { value, repeated, sequence } = created;
      const token = showToken(value.token, await places.names([value.token]), signIn.clock.wall());
      const shown = repeated ? { secretShown: true as const } : { secret: expose(value.secret) };
      return { body: { token, ...shown }, repeated, sequence };
    },
  );
}

/** What it gives it gives for good, to whomever its provider likes. */
function refuseBorrowed(principal: Principal): Refusal | null {
  if (ownsForGood(principal, INSTALLATION)) return null;
  return refuse('FORBIDDEN', "Providers are an owner's whose right has no end.");
}

/** What a provider says goes over the network: in the clear only within this machine. */
function refuseInsecure(issuer: string): Refusal | null {
  const url = URL.parse(issuer);
  const isLocal = url !== null && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return null;
  return refuse('INVALID_INPUT', 'It takes https, and http for this machine alone.', '/issuer');
}

async function readRoles(
  { signIn: { reader, roleNamed }, places }: SignOnRoutes,
  principal: Principal,
  asked: readonly operations.GroupRole[],
): Promise<readonly MappedRole[] | Refusal> {
  const roles: MappedRole[] = [];
  for (const [i, { group, role, project, environment }] of asked.entries()) {
    // A provider's word alone makes nobody an owner.
    if (role === 'owner') return refuse('INVALID_INPUT', 'Owners are invited, one by one.', `/roles/${i}/role`);
    if (!isBuiltIn(role) && (await findCustomRole(reader, role)) === undefined)
      return refuse('INVALID_INPUT', `There is no role "${role}".`, `/roles/${i}/role`);
    const binding = await readBinding(places, principal, {
      ...(project === undefined ? {} : { projects: [project] }),
      ...(environment === undefined ? {} : { environment }),
    });
    if (isRefusal(binding)) return binding;
    const at = binding.at[0] ?? INSTALLATION;
    const gift = { by: 'roles.grant', openers: [roleNamed(role)], at: [at], expiresAt: null } as const;
    const excess = refuseExcess(principal, gift);
    if (excess !== null) return excess;
    const { project: project_id, environment: environment_id } = at;
    roles.push({ group, role, project_id, environment_id });
  }
  return roles;
}
