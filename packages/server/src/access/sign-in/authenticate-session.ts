import { hash } from 'node:crypto';
import { hasPrefix, SESSION_PREFIX } from '@keyhold/protocol/credential-format';
import type { SessionRow } from '../../database/people-rows.ts';
import type { FactTables } from '../../database/schema.ts';
import { digestOfRead } from '../../ledger/row-digest.ts';
import { grantOf, isInForce } from '../people/person.ts';
import type { Principal } from '../principal.ts';
import { endReusedSession } from './end-session.ts';
import { isOfNow } from '../passwords/password.ts';
import { readPassword } from '../passwords/passwords.store.ts';
import { isIdentity, isPassword, worthOf } from './session.ts';
import { findSession, type Read, readHolder, readIdentity, readRoles } from './sessions.store.ts';
import type { SignInContext } from './sign-in-context.ts';

/** A person whose session this is. */
export interface SignedIn {
  readonly principal: Principal;
  readonly session: SessionRow;
  /** SHA-256 of the secret that was shown. */
  readonly digest: string;
}

type Context = Pick<SignInContext, 'reader' | 'clock' | 'tampered' | 'ledger' | 'judgeFor' | 'roleNamed'>;

/**
 * Finds whose session a secret is; null for a stranger. Reads the committed rows each time, so whoever was suspended, or
 * lost a role, a moment ago has lost it, and rows that were written past the ledger open nothing.
 */
export async function authenticateSession(
  context: Context,
  secret: string,
  kind: SessionRow['kind'],
  ip: string,
): Promise<SignedIn | null> {
  if (!hasPrefix(secret, SESSION_PREFIX)) return null;
  const { reader, clock } = context;
  const digest = hash('sha256', secret, 'hex');
  const found = await findSession(reader, digest);
  const session = found === undefined ? undefined : asRecorded(context, found);
  if (found === undefined || session?.kind !== kind || !(await hasHolder(context, session))) return null;
  const nowMs = clock.wall();
  const worth = worthOf(session, digest, found.lastUsedAt, nowMs);
  if (worth === 'reused') await endReusedSession(context, session);
  if (worth !== 'good') return null;
  const roles = (await readRoles(reader, session.person_id)).flatMap((read) => asRecorded(context, read) ?? []);
  const grants = roles.filter((role) => isInForce(role, nowMs)).map((role) => grantOf(role, context.roleNamed));
  const judge = context.judgeFor(ip);
  const person = { id: session.person_id, kind: 'person', session: { id: session.id, kind } } as const;
  return { principal: { ...person, grants, judge }, session, digest };
}

/** A session is worth no more than its person, and what it began with. */
async function hasHolder(context: Context, session: SessionRow): Promise<boolean> {
  if (isIdentity(session.passkey_id)) return await hasIdentity(context, session);
  if (isPassword(session.passkey_id)) return await hasPassword(context, session);
  const { person: holder, passkey: shown } = await readHolder(context.reader, session);
  if (holder === undefined || shown === undefined) return false;
  const [person, passkey] = [asRecorded(context, holder), asRecorded(context, shown)];
  if (person?.state !== 'active' || passkey?.state !== 'active' || passkey.person_id !== person.id) return false;
  return session.created_at >= person.sessions_after && passkey.created_at >= person.passkeys_after;
}

async function hasPassword(context: Context, session: SessionRow): Promise<boolean> {
  const { person: holder } = await readHolder(context.reader, session);
  const known = await readPassword(context.reader, session.passkey_id);
  if (holder === undefined || known === undefined) return false;
  const [person, password] = [asRecorded(context, holder), asRecorded(context, known)];
  if (person?.state !== 'active' || password === undefined || !isOfNow(password, person)) return false;
  return session.created_at >= person.sessions_after;
}

async function hasIdentity(context: Context, session: SessionRow): Promise<boolean> {
  const { person: holder } = await readHolder(context.reader, session);
  const known = await readIdentity(context.reader, session.passkey_id);
  if (holder === undefined || known === undefined || asRecorded(context, known.signOn) === undefined) return false;
  const [person, identity] = [asRecorded(context, holder), asRecorded(context, known.identity)];
  if (person?.state !== 'active' || identity?.state !== 'active' || identity.person_id !== person.id) return false;
  return session.created_at >= person.sessions_after;
}

/** The row, where it is what the ledger recorded. */
export function asRecorded<Row extends FactTables[keyof FactTables]>(
  { tampered }: Context,
  { row, recorded }: Read<Row>,
): Row | undefined {
  if (digestOfRead(row) === recorded) return row;
  tampered(row.id);
  return undefined;
}
