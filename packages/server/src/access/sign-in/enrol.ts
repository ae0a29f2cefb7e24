import { hash } from 'node:crypto';
import { generateRegistrationOptions, type RegistrationResponseJSON } from '@simplewebauthn/server';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type {
  InvitationRow,
  PersonPasskeyRow,
  PersonRow,
  RoleGrantRow,
  SessionRow,
} from '../../database/people-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import type { Secret } from '../../vault/secret.ts';
import { endSessions, removeWaysIn, rowsOf } from '../people/change-person.ts';
import { NO_POLICIES } from '../judge.ts';
import { allowOnInstallation } from '../locate.ts';
import { refuseAbove } from '../people/invite-person.ts';
import { findInvitationId, rolesOf } from '../people/people.store.ts';
import { grantOf, isInForce } from '../people/person.ts';
import type { Principal } from '../principal.ts';
import { type CreatedPasskey, PASSKEY_ALGORITHMS, readCreatedPasskey } from '../verify-passkey.ts';
import { makeSession, type MadeSession } from './session.ts';
import { findPasskeyId } from './sessions.store.ts';
import { insertSession } from './sign-in.ts';
import type { SignInContext } from './sign-in-context.ts';

/** Who may enrol: the holder of the bootstrap token, as the first owner, or somebody who was invited. */
export type Enrolling =
  | { readonly id: string; readonly invitation: null }
  | { readonly id: string; readonly invitation: InvitationRow };

export interface Enrolment {
  /** Of the first owner; others have one. */
  readonly name: string | undefined;
  readonly passkeyName: string;
  readonly response: RegistrationResponseJSON;
}

export interface Enrolled {
  readonly person: PersonRow;
  readonly session: SessionRow;
  readonly secret: Secret;
  readonly sequence: number;
  /** Of the end of the bootstrap token. */
  readonly barrier?: Barrier;
}

const OVER = refuse('ILLEGAL_TRANSITION', 'This invitation is over: ask for another.');
const TAKEN = refuse('PASSKEY_TAKEN', 'Make a new passkey for it.', '/response');

/** Finds an invitation that is open, by its secret. */
export async function findInvitation(
  { reader, clock, tampered }: SignInContext,
  secret: string,
): Promise<InvitationRow | null> {
  const id = await findInvitationId(reader, hash('sha256', secret, 'hex'));
  const [checked] = id === undefined ? [] : await readCheckedRows(reader, ['invitations'], [id]);
  if (checked === undefined) return null;
  if ('tampered' in checked) {
    tampered(checked.tampered);
    return null;
  }
  const row = checked.row as InvitationRow;
  return row.state === 'open' && clock.wall() < row.expires_at ? row : null;
}

/** What a browser makes a passkey with. */
export async function creationOptions(
  context: SignInContext,
  purpose: string,
  person: { readonly id: string; readonly name: string },
  has: readonly Pick<PersonPasskeyRow, 'credential_id'>[] = [],
) {
  return await generateRegistrationOptions({
    rpName: 'Keyhold',
    rpID: context.site().rpId,
    userName: person.name,
    userDisplayName: person.name,
    userID: new TextEncoder().encode(person.id),
    challenge: new Uint8Array(Buffer.from(context.challenges.make(purpose), 'base64url')),
    attestationType: 'none',
    excludeCredentials: has.map(({ credential_id: id }) => ({ id })),
    supportedAlgorithmIDs: [...PASSKEY_ALGORITHMS],
    // The passkey says itself whose it is: nobody types who he is.
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  });
}

/** Reads a passkey that was made for this purpose. */
export async function readCreated(
  { challenges, site }: SignInContext,
  purpose: string,
  response: RegistrationResponseJSON,
): Promise<CreatedPasskey | Refusal> {
  const { origin, rpId } = site();
  let challenge = '';
  const isOpen = (shown: string) => {
    challenge = shown;
    return challenges.isOpen(purpose, shown);
  };
  const made = await readCreatedPasskey({ challenge: isOpen, origins: [origin], rpId }, response);
  if (isRefusal(made) || challenges.take(purpose, challenge)) return made;
  return refuse('POSSESSION_UNPROVEN', 'This answer was used already: begin anew.', '/response');
}

/** Makes the first owner, or lets somebody in who was invited, with a passkey; and signs him in. */
export async function enrol(
  context: SignInContext,
  ip: string,
  who: Enrolling & { readonly person: string },
  enrolment: Enrolment,
): Promise<Enrolled | Refusal> {
  const { person: personId, invitation } = who;
  const passkey = await readCreated(context, purposeOf(who), enrolment.response);
  if (isRefusal(passkey)) return passkey;
  const row = passkeyRow(context, personId, enrolment.passkeyName, passkey);
  const made = makeSession(context, { person_id: personId, passkey_id: row.id, kind: 'browser' });
  const done =
    invitation === null
      ? await enrolOwner(context, ip, who.id, { id: personId, name: enrolment.name ?? 'Owner' }, row, made)
      : await enrolInvited(context, ip, invitation, row, made, async (facts) => {
          const kept = await insertPasskey(facts, row);
          return isRefusal(kept) ? kept : null;
        });
  return isRefusal(done) ? done : { ...done, secret: made.secret };
}

/** What challenges for somebody's enrolment are for. */
export function purposeOf({ id, person }: Enrolling & { readonly person: string }): string {
  return `enrol ${id} ${person}`;
}

export function passkeyRow(
  { random, clock }: Pick<SignInContext, 'random' | 'clock'>,
  person: string,
  name: string,
  { credentialId, publicKey, algorithm }: CreatedPasskey,
): Omit<PersonPasskeyRow, 'salt'> {
  return {
    ...{ id: random.newId('personPasskey'), person_id: person, name, credential_id: credentialId },
    ...{ public_key: publicKey, algorithm: algorithm ?? 0, state: 'active', created_at: clock.wall() },
  };
}

/** A credential id is nobody's twice. */
export async function insertPasskey(
  facts: Facts,
  row: Omit<PersonPasskeyRow, 'salt'>,
): Promise<PersonPasskeyRow | Refusal> {
  if ((await findPasskeyId(facts.db, row.credential_id)) !== undefined) return TAKEN;
  return await facts.insert('person_passkeys', row);
}

type Done = Omit<Enrolled, 'secret'> | Refusal;

/** The bootstrap token ends in the same entry in which the first owner begins, and opens nothing once this returns. */
async function enrolOwner(
  context: SignInContext,
  ip: string,
  tokenId: string,
  { id, name }: Pick<PersonRow, 'id' | 'name'>,
  passkey: Omit<PersonPasskeyRow, 'salt'>,
  session: MadeSession,
): Promise<Done> {
  const { ledger, clock, random, propagation, ownerTokens } = context;
  const created_at = clock.wall();
  const isRecovery = tokenId === ownerTokens.recoveryId;
  const action = isRecovery ? 'owner.recovered' : 'owner.enrolled';
  const draft = { actor: tokenId, action, subject: id, side: { ip }, about: id, locks: [tokenId] };
  const recorded = await ledger.record(draft, async (facts) => {
    const token = await facts.find('tokens', tokenId);
    if (token?.state !== 'active') return OVER;
    const person = await facts.insert('people', {
      id,
      name,
      state: 'active',
      ...sinceOf(passkey, session),
      created_at,
    });
    const kept = await insertPasskey(facts, passkey);
    if (isRefusal(kept)) return kept;
    await facts.insert('role_grants', {
      ...{ id: random.newId('roleGrant'), person_id: id, role: 'owner', project_id: null, environment_id: null },
      ...{
        reason: isRecovery ? 'recovered owner' : 'first owner',
        expires_at: null,
        state: 'active',
        granted_by: tokenId,
        created_at,
      },
    });
    await facts.update('tokens', token, { state: 'deactivated' });
    return { person, session: await insertSession(facts, session) };
  });
  if (isRefusal(recorded)) return recorded;
  const barrier = await propagation.taken(recorded.sequence, null);
  ownerTokens.ended(tokenId);
  if (isRecovery) context.recovered(id);
  return { ...recorded.value, sequence: recorded.sequence, barrier };
}

/** Whatever he signed in with before, and every session before this one, is over. */
function sinceOf(way: Pick<PersonPasskeyRow, 'created_at'>, { row }: MadeSession) {
  return { passkeys_after: way.created_at, sessions_after: row.created_at };
}

/** What somebody enrols with. */
interface Way {
  readonly id: string;
  readonly created_at: number;
  /** Said by the entry. */
  readonly code?: string;
}

/**
 * Whoever enrols anew has lost what he had, or somebody has stolen it: it ends.
 * @param put writes what he enrols with
 */
export async function enrolInvited(
  context: SignInContext,
  ip: string,
  { id, person_id, invited_by }: InvitationRow,
  way: Way,
  session: MadeSession,
  put: (facts: Facts) => Promise<Refusal | null>,
): Promise<Done> {
  const draft = { actor: person_id, action: 'person.enrolled', subject: person_id, side: { ip }, code: way.code };
  const locks = [...new Set([id, invited_by, way.id, ...(await rowsOf(context.reader, person_id))])];
  const recorded = await context.ledger.record({ ...draft, locks }, async (facts) => {
    const invitation = await facts.find('invitations', id);
    const before = await facts.find('people', person_id);
    if (invitation?.state !== 'open' || before === undefined) return OVER;
    if (before.state !== 'invited' && before.state !== 'active') return OVER;
    if (!(await couldInvite(context, facts, invited_by, person_id))) return OVER;
    await facts.update('invitations', invitation, { state: 'used' });
    await endSessions(facts, person_id);
    await removeWaysIn(facts, person_id, way.id);
    const refused = await put(facts);
    if (refused !== null) return refused;
    const person = await facts.update('people', before, { state: 'active', ...sinceOf(way, session) });
    return { person, session: await insertSession(facts, session) };
  });
  return isRefusal(recorded) ? recorded : { ...recorded.value, sequence: recorded.sequence };
}

/** An invitation is the word of who invited, and is worth no more than he is now. */
async function couldInvite(context: SignInContext, facts: Facts, inviter: string, person: string): Promise<boolean> {
  if ((await facts.find('people', inviter))?.state !== 'active') return false;
  const held: RoleGrantRow[] = [];
  for (const { id } of await rolesOf(facts.db, [inviter])) {
    const { row, tampered } = await facts.examine('role_grants', id);
    if (row !== undefined && !tampered && isInForce(row, context.clock.wall())) held.push(row);
  }
  // Where he asks from now nobody knows; what policies could forbid him he gives to nobody.
  const real = context.judgeFor('');
  const judge = { ...NO_POLICIES, mayForbid: real.mayForbid.bind(real) };
  const grants = held.map((row) => grantOf(row, context.roleNamed));
  const principal: Principal = { id: inviter, kind: 'person', grants, judge };
  if (allowOnInstallation(principal, 'people.invite') !== null) return false;
  return (await refuseAbove(context, facts, principal, person)) === null;
}
