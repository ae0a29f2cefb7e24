import { hash } from 'node:crypto';
import { formatCredential, INVITATION_PREFIX } from '@keyhold/protocol/credential-format';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Role } from '@keyhold/protocol/role';
import type { Kysely } from 'kysely';
import type { InvitationRow, PersonPasswordRow, PersonRow, RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { Recorded } from '../../ledger/entry.ts';
import type { Facts } from '../../ledger/facts.ts';
import { rowDigest } from '../../ledger/row-digest.ts';
import { Secret } from '../../vault/secret.ts';
import type { InEnvironment } from '../../vault/vault.ts';
import { type Attribution, attribution, attributionWith, type Caller, type ChangeContext } from '../change-context.ts';
import { type CustomRole, isBuiltIn, nameOf } from '../opener.ts';
import { GONE } from '../passwords/password.ts';
import { passwordsOf } from '../passwords/passwords.store.ts';
import { isPermittedByName } from '../policies/policies.store.ts';
import { INSTALLATION, type Principal, type Resource } from '../principal.ts';
import { refusePast } from '../read-expiry.ts';
import { refuseExcess } from '../refuse-excess.ts';
import { isLastOwner, LAST_OWNER } from './find-other-owner.ts';
import { allRoleIdsOf, openInvitations, openInvitationsBy } from './people.store.ts';
import { INVITATION_MS, isInForce, resourceOf, type RoleNamed } from './person.ts';
import { takeAwayAll } from './take-away-all.ts';

/** A role, and where. */
export interface RoleGift {
  readonly role: Role | CustomRole;
  readonly at: Resource;
  readonly reason: string;
  readonly expiresAt: number | null;
}

export interface Invited {
  readonly person: PersonRow;
  /** Of the invitation. */
  readonly secret: Secret;
}

/** Invites somebody new, with a first role. Nobody gives more than he has. */
export async function invitePerson(
  context: Inviting,
  caller: Caller,
  { name, password, ...gift }: RoleGift & { readonly name: string; readonly password: boolean },
): Promise<Recorded<Invited> | Refusal> {
  const excess = refuseGift(caller, gift);
  if (excess !== null) return excess;
  const { ledger, random, clock } = context;
  const id = random.newId('person');
  const { secret, row } = makeInvitation(context, caller, id);
  const draft = {
    ...attributionWith(caller, describeGift(gift)),
    ...roleEntry(nameOf(gift.role), gift.at),
    action: 'person.invited',
    subject: id,
  };
  return await ledger.record(draft, async (facts) => {
    const created_at = clock.wall();
    const past = refusePast(gift.expiresAt, created_at);
    if (past !== null) return past;
    const since = { sessions_after: created_at, passkeys_after: created_at };
    const person = await facts.insert('people', { id, name, state: 'invited', ...since, created_at });
    await facts.insert('role_grants', makeRole(context, caller, id, gift));
    await facts.insert('invitations', row);
    if (password) await facts.insert('person_passwords', offerPassword(context, row));
    return { person, secret };
  });
}

/** What the caller has not himself. */
export function refuseGift({ principal }: Caller, { role, at, expiresAt }: RoleGift): Refusal | null {
  return refuseExcess(principal, { by: 'roles.grant', openers: [role], at: [at], expiresAt });
}

/** What an entry says of a role and its place, for good: a leaf has no names that somebody gave. */
export function roleEntry(role: string, at: Resource) {
  const code = isBuiltIn(role) ? role : 'custom';
  return { code, project: at.project ?? undefined, environment: at.environment ?? undefined };
}

/** And for as long as whoever gave it is not erased. */
export function describeGift({ role, expiresAt }: RoleGift) {
  return { role: nameOf(role), expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString() };
}

export function makeRole(
  { random, clock }: ChangeContext,
  { principal }: Caller,
  person: string,
  { role, at, reason, expiresAt }: RoleGift,
): Omit<RoleGrantRow, 'salt'> {
  return {
    ...{ id: random.newId('roleGrant'), person_id: person, role: nameOf(role), project_id: at.project },
    ...{ environment_id: at.environment, reason, expires_at: expiresAt, state: 'active' },
    ...{ granted_by: principal.id, created_at: clock.wall() },
  };
}

/** What inviting works with. */
export interface Inviting extends ChangeContext {
  /** Where the keys of the installation itself lie. */
  readonly home: InEnvironment;
}

/** What lets somebody have a password: by himself nobody takes one in the place of a passkey. */
function offerPassword(
  { random, clock, home }: Inviting,
  { id, person_id }: Pick<InvitationRow, 'id' | 'person_id'>,
): Omit<PersonPasswordRow, 'salt'> {
  const none = { login: null, hash: null, vault_key_id: null, envelope: null, used_step: null, recovery: '[]' };
  const where = { project_id: home.project_id, environment_id: home.environment_id };
  const made = { id: random.newId('personPassword'), person_id, invitation_id: id, created_at: clock.wall() };
  return { ...made, ...none, ...where, state: 'offered' };
}

function makeInvitation({ random, clock }: ChangeContext, { principal }: Caller, person: string) {
  const text = formatCredential(INVITATION_PREFIX, random.bytes(32));
  const now = clock.wall();
  const row: Omit<InvitationRow, 'salt'> = {
    ...{ id: random.newId('invitation'), person_id: person, invited_by: principal.id },
    ...{ digest: hash('sha256', text, 'hex'), state: 'open', expires_at: now + INVITATION_MS, created_at: now },
  };
  return { secret: new Secret(text), row };
}

/**
 * Whoever invites or lets back may hold the invitation himself: he can do so only for whom he could give all that the
 * person has.
 */
export async function refuseAbove(
  { clock, roleNamed }: Pick<ChangeContext, 'clock'> & { readonly roleNamed: RoleNamed },
  facts: Facts,
  principal: Principal,
  person: string,
): Promise<Refusal | null> {
  for (const id of await allRoleIdsOf(facts.db, person)) {
    // Checked, and whatever it says of itself: who could edit it could make the person seem less than he is.
    const row = await facts.find('role_grants', id);
    if (row === undefined || !isInForce(row, clock.wall())) continue;
    const gift = {
      by: 'people.invite',
      openers: [roleNamed(row.role)],
      at: [resourceOf(row)],
      expiresAt: row.expires_at,
    } as const;
    if (refuseExcess(principal, gift) === null) continue;
    return refuse('FORBIDDEN', `This person is ${row.role} somewhere, which you could not make him.`);
  }
  const owning = { by: 'people.invite', openers: ['owner'], at: [INSTALLATION], expiresAt: null } as const;
  if ((await isPermittedByName(facts.db, person)) && refuseExcess(principal, owning) !== null)
    return refuse('FORBIDDEN', 'A policy permits this person more than you could.');
  return null;
}

/** Lets somebody enrol anew. What he has goes when he does. */
export async function reinvitePerson(
  context: Inviting & { readonly reader: Kysely<Database>; readonly roleNamed: RoleNamed },
  caller: Caller,
  id: string,
  password: boolean,
): Promise<Recorded<Invited> | Refusal> {
  const before = [...(await openInvitations(context.reader, id)), ...(await passwordsOf(context.reader, id))];
  const { secret, row } = makeInvitation(context, caller, id);
  const draft = { ...attribution(caller), action: 'person.reinvited', subject: id };
  return await context.ledger.record({ ...draft, locks: [id, ...before.map((one) => one.id)] }, async (facts) => {
    const person = await facts.find('people', id);
    if (person === undefined || person.state === 'removed') return noPerson(id, person);
    if (person.state === 'suspended') return refuse('ILLEGAL_TRANSITION', 'The person is suspended: resume first.');
    const above = await refuseAbove(context, facts, caller.principal, id);
    if (above !== null) return above;
    if (password && (await isLastOwner(facts, id))) return LAST_OWNER;
    await withdrawInvitations(facts, id);
    await facts.insert('invitations', row);
    if (password) await facts.insert('person_passwords', offerPassword(context, row));
    return { person, secret };
  });
}

/**
 * Whatever a person is given or loses, what lets him in was meant for him as he was; so was what it offered. The one that
 * the ledger knows to be open goes first, for each withdraws those before it: ones that somebody revived past the ledger
 * open nothing, and go as far as there is room.
 */
export async function withdrawInvitations(facts: Facts, person: string): Promise<void> {
  const sound: InvitationRow[] = [];
  const revived: InvitationRow[] = [];
  for (const row of await openInvitations(facts.db, person))
    ((await facts.headOf(row.id)) === rowDigest(row) ? sound : revived).push(row);
  await takeAwayAll(facts, 'invitations', [...sound, ...revived], { state: 'withdrawn' });
  const offers = (await passwordsOf(facts.db, person)).filter(({ state }) => state === 'offered');
  // Without its invitation it opens nothing: what does not fit goes the next time.
  await takeAwayAll(facts, 'person_passwords', offers, GONE);
}

/** An entry names each, one that was tampered with twice, and is bounded. */
const WITHDRAWN_AT_ONCE = 25;

/** Whoever invited holds the invitation: where he is gone, so is it. Resolves to how many there were. */
export async function withdrawInvitationsBy(
  { ledger, reader }: Pick<ChangeContext, 'ledger'> & { readonly reader: Kysely<Database> },
  by: Attribution,
  inviters: readonly string[],
): Promise<number> {
  let withdrawn = 0;
  for (let after = ''; ; ) {
    const open = await openInvitationsBy(reader, inviters, after, WITHDRAWN_AT_ONCE);
    const [first, last] = [open[0], open.at(-1)];
    if (first === undefined || last === undefined) return withdrawn;
    const draft = {
      ...by,
      action: 'invitations.withdrawn',
      subject: first.invited_by,
      locks: open.map(({ id }) => id),
    };
    const recorded = await ledger.record(draft, async (facts) => {
      let ended = 0;
      for (const { id } of open)
        if ((await facts.takeAway('invitations', id, { state: 'withdrawn' })) !== undefined) ended++;
      return ended;
    });
    if (!isRefusal(recorded)) withdrawn += recorded.value;
    after = last.id;
  }
}

/** @param row where there was one */
export function noPerson(id: string, row?: PersonRow): Refusal {
  if (row !== undefined)
    return refuse('ILLEGAL_TRANSITION', 'The person was removed for good: who comes back is invited as somebody new.');
  return refuse('PERSON_NOT_FOUND', `There is no person ${id}.`, 'id');
}
