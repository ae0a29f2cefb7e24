import { hash } from 'node:crypto';
import { hasPrefix, SESSION_PREFIX } from '@keyhold/protocol/credential-format';
import type { Kysely } from 'kysely';
import type { PersonRow, RoleGrantRow, SessionRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import { type CheckedRow, readCheckedRows } from '../../ledger/checked-rows.ts';
import { grantOf, isInForce } from '../people/person.ts';
import type { Principal } from '../principal.ts';
import { endReusedSession } from './end-session.ts';
import { worthOf } from './session.ts';
import { findSession, roleIdsOf } from './sessions.store.ts';
import type { SignInContext } from './sign-in-context.ts';

/** A person whose session this is. */
export interface SignedIn {
  readonly principal: Principal;
  readonly session: SessionRow;
  /** SHA-256 of the secret that was shown. */
  readonly digest: string;
  readonly lastUsedAt: number | null;
}

/**
 * Finds whose session a secret is; null for a stranger. Reads the committed rows each time, so whoever was suspended, or
 * lost a role, a moment ago has lost it, and rows that were written past the ledger open nothing.
 */
export async function authenticateSession(
  context: Pick<SignInContext, 'reader' | 'clock' | 'tampered' | 'ledger'>,
  secret: string,
  kind: SessionRow['kind'],
): Promise<SignedIn | null> {
  if (!hasPrefix(secret, SESSION_PREFIX)) return null;
  const { reader, clock } = context;
  const digest = hash('sha256', secret, 'hex');
  const found = await findSession(reader, digest);
  if (found === undefined) return null;
  const roleIds = await roleIdsOf(reader, found.person);
  const { sessions, people, roles } = await readRows(context, [found.id, found.person, ...roleIds]);
  const [session, person] = [sessions[0], people[0]];
  if (session === undefined || session.kind !== kind || session.person_id !== person?.id) return null;
  if (person.state !== 'active') return null;
  if (!(await isGoodPasskey(context, session.passkey_id, person.id))) return null;
  const nowMs = clock.wall();
  const worth = worthOf(session, digest, found.lastUsedAt, nowMs);
  if (worth === 'reused') await endReusedSession(context, session);
  if (worth !== 'good') return null;
  const own = roles.filter((role) => role.person_id === person.id && isInForce(role, nowMs));
  const principal = { id: person.id, grants: own.map(grantOf), session: { id: session.id, kind } };
  return { principal, session, digest, lastUsedAt: found.lastUsedAt };
}

interface Rows {
  readonly sessions: SessionRow[];
  readonly people: PersonRow[];
  readonly roles: RoleGrantRow[];
}

type Reading = { readonly reader: Kysely<Database>; readonly tampered: (rowId: string) => void };

async function readRows(context: Reading, ids: readonly string[]): Promise<Rows> {
  const rows: Rows = { sessions: [], people: [], roles: [] };
  for (const checked of await readCheckedRows(context.reader, ['sessions', 'people', 'role_grants'], ids)) {
    if ('tampered' in checked) context.tampered(checked.tampered);
    else sort(checked, rows);
  }
  return rows;
}

function sort(checked: Exclude<CheckedRow, { readonly tampered: string }>, { sessions, people, roles }: Rows): void {
  if (checked.table === 'sessions') sessions.push(checked.row);
  else if (checked.table === 'people') people.push(checked.row);
  else if (checked.table === 'role_grants') roles.push(checked.row);
}

/** A session is worth no more than the passkey that it began with. */
async function isGoodPasskey({ reader, tampered }: Reading, id: string, person: string): Promise<boolean> {
  const [checked] = await readCheckedRows(reader, ['person_passkeys'], [id]);
  if (checked === undefined) return false;
  if ('tampered' in checked) {
    tampered(checked.tampered);
    return false;
  }
  if (checked.table !== 'person_passkeys') return false;
  return checked.row.state === 'active' && checked.row.person_id === person;
}
