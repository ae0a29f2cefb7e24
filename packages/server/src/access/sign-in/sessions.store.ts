import type { Kysely } from 'kysely';
import type { ScratchTables } from '../../database/scratch-tables.ts';
import type { Database } from '../../database/schema.ts';
import type { PersonPasskeyRow, SessionRow } from '../../database/people-rows.ts';

type Db = Kysely<Database>;

/** Ids of a session, of its person, and of what that person holds, by the digest of a secret that it has or had. */
export async function findSession(
  db: Db,
  digest: string,
): Promise<{ id: string; person: string; lastUsedAt: number | null } | undefined> {
  return await db
    .selectFrom('sessions')
    .leftJoin('session_uses', 'session_uses.session_id', 'sessions.id')
    .select(['sessions.id as id', 'sessions.person_id as person', 'session_uses.last_used_at as lastUsedAt'])
    .where(({ eb, or }) => or([eb('sessions.digest', '=', digest), eb('sessions.previous_digest', '=', digest)]))
    .executeTakeFirst();
}

/** Ids of roles that are not ended. */
export async function roleIdsOf(db: Db, person: string): Promise<string[]> {
  const rows = await db
    .selectFrom('role_grants')
    .select('id')
    .where('person_id', '=', person)
    .where('state', '=', 'active')
    .execute();
  return rows.map(({ id }) => id);
}

/** Sessions that are not ended; those that are over by time too. */
export async function sessionsOf(db: Db, person: string): Promise<SessionRow[]> {
  return await db
    .selectFrom('sessions')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '=', 'active')
    .orderBy('id', 'desc')
    .execute();
}

export async function passkeysOf(db: Db, person: string): Promise<PersonPasskeyRow[]> {
  return await db
    .selectFrom('person_passkeys')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '=', 'active')
    .orderBy('id')
    .execute();
}

export interface Use {
  readonly at: number;
  readonly from: string;
}

export async function usesOf(db: Db, sessions: readonly string[]): Promise<ReadonlyMap<string, Use>> {
  if (sessions.length === 0) return new Map();
  const rows = await db
    .selectFrom('session_uses')
    .selectAll()
    .where('session_id', 'in', [...sessions])
    .execute();
  return new Map(rows.map((row) => [row.session_id, { at: row.last_used_at, from: row.last_used_from }]));
}

export async function noteUse(tables: Kysely<ScratchTables>, session: string, { at, from }: Use): Promise<void> {
  await tables
    .insertInto('session_uses')
    .values({ session_id: session, last_used_at: at, last_used_from: from })
    .onConflict((conflict) => conflict.column('session_id').doUpdateSet({ last_used_at: at, last_used_from: from }))
    .execute();
}

/** Id of the passkey that browsers name so, removed or not. */
export async function findPasskeyId(db: Db, credentialId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('person_passkeys')
    .select('id')
    .where('credential_id', '=', credentialId)
    .executeTakeFirst();
  return row?.id;
}

export interface PasskeyUse {
  readonly counter: number;
  readonly lastUsedAt: number;
}

export async function passkeyUses(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, PasskeyUse>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('person_passkey_uses')
    .selectAll()
    .where('passkey_id', 'in', [...ids])
    .execute();
  return new Map(rows.map((row) => [row.passkey_id, { counter: row.counter, lastUsedAt: row.last_used_at }]));
}

export async function notePasskeyUse(
  tables: Kysely<ScratchTables>,
  id: string,
  { counter, lastUsedAt }: PasskeyUse,
): Promise<void> {
  await tables
    .insertInto('person_passkey_uses')
    .values({ passkey_id: id, counter, last_used_at: lastUsedAt })
    .onConflict((conflict) => conflict.column('passkey_id').doUpdateSet({ counter, last_used_at: lastUsedAt }))
    .execute();
}
