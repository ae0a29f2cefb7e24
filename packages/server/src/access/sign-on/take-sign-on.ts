import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonRow, SessionRow } from '../../database/people-rows.ts';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { rowsOf } from '../people/change-person.ts';
import { rolesOf } from '../people/people.store.ts';
import { isInForce, MAX_ROLES } from '../people/person.ts';
import { makeSession, type MadeSession } from '../sign-in/session.ts';
import { type Began, insertSession } from '../sign-in/sign-in.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { groupsIn, mappedRolesOf, nameIn, nameOfHeld, rolesFor, type SignOnClaims } from './sign-on.ts';
import { findIdentityId } from './sign-ons.store.ts';

/** One answer for whatever is wrong. */
export const NOBODY = refuse('SIGN_IN_REFUSED', 'You have no way in here: ask an administrator for one.');

interface Coming {
  readonly person: string;
  readonly identity: string;
  readonly isNew: boolean;
}

/**
 * Signs in whoever a provider says that he is, with the roles of the groups that he is in now. Whoever was put out here
 * stays out, and whoever is in no group that has a role is not made.
 */
export async function takeSignOn(
  context: SignInContext,
  ip: string,
  signOn: SignOnRow,
  claims: SignOnClaims,
): Promise<Began | Refusal> {
  const { reader, random, ledger } = context;
  const known = await findIdentityId(reader, signOn.id, claims.sub);
  const held = known === undefined ? undefined : await personOf(context, known);
  const coming: Coming = {
    person: held ?? random.newId('person'),
    identity: known ?? random.newId('identity'),
    isNew: known === undefined,
  };
  const made = makeSession(context, { person_id: coming.person, passkey_id: coming.identity, kind: 'browser' });
  const older = coming.isNew ? [coming.person] : await rowsOf(reader, coming.person);
  const draft = { actor: coming.person, action: 'session.began', subject: made.row.id, side: { ip }, code: 'sign-on' };
  const locks = [...new Set([signOn.id, coming.identity, ...older])];
  const recorded = await ledger.record({ ...draft, locks }, async (facts) => {
    const provider = await facts.find('sign_ons', signOn.id);
    // It was saved or removed meanwhile: what it gives is not what was looked at.
    if (provider === undefined || provider.saved_at !== signOn.saved_at) return NOBODY;
    return await letIn(context, facts, provider, claims, coming, made);
  });
  if (isRefusal(recorded)) return recorded;
  const { person, session } = recorded.value;
  return session === null ? NOBODY : { person, session, secret: made.secret };
}

async function personOf({ reader }: SignInContext, identity: string): Promise<string | undefined> {
  const row = await reader
    .selectFrom('person_identities')
    .select('person_id')
    .where('id', '=', identity)
    .executeTakeFirst();
  return row?.person_id;
}

async function letIn(
  context: SignInContext,
  facts: Facts,
  signOn: SignOnRow,
  claims: SignOnClaims,
  coming: Coming,
  made: MadeSession,
): Promise<{ person: PersonRow; session: SessionRow | null } | Refusal> {
  const wanted = rolesFor(mappedRolesOf(signOn), groupsIn(claims[signOn.groups_claim]));
  const person = coming.isNew
    ? await makePerson(facts, signOn, claims, coming, { hasRole: wanted.length > 0, at: made.row.created_at })
    : await findPerson(facts, coming);
  if (isRefusal(person)) return person;
  const had = await rolesOf(facts.db, [person.id]);
  const names = new Set(wanted.map(nameOfHeld));
  const own = had.filter(({ granted_by }) => granted_by === signOn.id);
  for (const role of own)
    if (!names.has(nameOfHeld(role))) await facts.takeAway('role_grants', role.id, { state: 'ended' });
  const now = context.clock.wall();
  const kept = new Set(own.map(nameOfHeld));
  const others = had.filter((role) => role.granted_by !== signOn.id && isInForce(role, now)).length;
  const room = MAX_ROLES - others - [...kept].filter((name) => names.has(name)).length;
  for (const one of wanted.filter((role) => !kept.has(nameOfHeld(role))).slice(0, Math.max(0, room))) {
    await facts.insert('role_grants', {
      ...{ id: context.random.newId('roleGrant'), person_id: person.id, role: one.role, project_id: one.project_id },
      ...{ environment_id: one.environment_id, reason: `group at ${signOn.name}`, expires_at: null, state: 'active' },
      ...{ granted_by: signOn.id, created_at: now },
    });
  }
  // Out of every group: what he had there ends all the same.
  if (wanted.length + others === 0) return { person, session: null };
  return { person, session: await insertSession(facts, made) };
}

async function findPerson(facts: Facts, { person, identity }: Coming): Promise<PersonRow | Refusal> {
  const known = await facts.find('person_identities', identity);
  const row = await facts.find('people', person);
  return known?.state === 'active' && known.person_id === person && row?.state === 'active' ? row : NOBODY;
}

async function makePerson(
  facts: Facts,
  signOn: SignOnRow,
  claims: SignOnClaims,
  { person: id, identity }: Coming,
  { hasRole, at: created_at }: { readonly hasRole: boolean; readonly at: number },
): Promise<PersonRow | Refusal> {
  if (signOn.makes_people === 0 || !hasRole) return NOBODY;
  // He came in by another door at this moment.
  if ((await findIdentityId(facts.db, signOn.id, claims.sub)) !== undefined) return NOBODY;
  // From the moment of his session on: what is older is not his.
  const since = { sessions_after: created_at, passkeys_after: created_at };
  const person = await facts.insert('people', { id, name: nameIn(claims), state: 'active', ...since, created_at });
  const who = { person_id: id, sign_on_id: signOn.id, subject: claims.sub };
  await facts.insert('person_identities', { id: identity, ...who, state: 'active', created_at });
  return person;
}
