import { type Kysely, sql } from 'kysely';
import type { ScratchTables } from '../../database/scratch-tables.ts';
import type { Database } from '../../database/schema.ts';
import type { PersonPasskeyRow, PersonRow, RoleGrantRow, SessionRow } from '../../database/people-rows.ts';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { compiledOnce } from '../../database/compiled.ts';
import { run } from '../../database/run.ts';

type Db = Kysely<Database>;

/** A row, and the digest of it that the ledger recorded last. */
export interface Read<Row> {
  readonly row: Row;
  readonly recorded: string | null;
}

/** The session that this is the digest of a secret of, or was; and when it was last used. */
export async function findSession(
  db: Db,
  digest: string,
): Promise<(Read<SessionRow> & { readonly lastUsedAt: number | null }) | undefined> {
  const query = compiledOnce(db, 'session by digest', [digest, digest], () =>
    db
      .selectFrom('sessions')
      .leftJoin('row_heads', 'row_heads.row_id', 'sessions.id')
      .leftJoin('session_uses', 'session_uses.session_id', 'sessions.id')
      .selectAll('sessions')
      .select(['row_heads.digest as recorded', 'session_uses.last_used_at as lastUsedAt'])
      .where(({ eb, or }) => or([eb('sessions.digest', '=', ''), eb('sessions.previous_digest', '=', '')]))
      .compile(),
  );
  const [found] = await run(db, query);
  if (found === undefined) return undefined;
  const { recorded, lastUsedAt, ...row } = found;
  return { row, recorded, lastUsedAt };
}

/** Who somebody is at a provider, and what is known of that provider. */
export async function readIdentity(
  db: Db,
  id: string,
): Promise<{ identity: Read<PersonIdentityRow>; signOn: Read<SignOnRow> } | undefined> {
  const identities = compiledOnce(db, 'identity with head', [id], () =>
    db
      .selectFrom('person_identities')
      .leftJoin('row_heads', 'row_heads.row_id', 'person_identities.id')
      .selectAll('person_identities')
      .select('row_heads.digest as recorded')
      .where('person_identities.id', '=', '')
      .compile(),
  );
  const [identity] = await run(db, identities);
  if (identity === undefined) return undefined;
  const signOns = compiledOnce(db, 'sign-on with head', [identity.sign_on_id], () =>
    db
      .selectFrom('sign_ons')
      .leftJoin('row_heads', 'row_heads.row_id', 'sign_ons.id')
      .selectAll('sign_ons')
      .select('row_heads.digest as recorded')
      .where('sign_ons.id', '=', '')
      .compile(),
  );
  const [signOn] = await run(db, signOns);
  return signOn === undefined ? undefined : { identity: withoutHead(identity), signOn: withoutHead(signOn) };
}

/** A person and the passkey that his session began with. */
export async function readHolder(
  db: Db,
  { person_id, passkey_id }: Pick<SessionRow, 'person_id' | 'passkey_id'>,
): Promise<{ person: Read<PersonRow> | undefined; passkey: Read<PersonPasskeyRow> | undefined }> {
  const people = compiledOnce(db, 'person with head', [person_id], () =>
    db
      .selectFrom('people')
      .leftJoin('row_heads', 'row_heads.row_id', 'people.id')
      .selectAll('people')
      .select('row_heads.digest as recorded')
      .where('people.id', '=', '')
      .compile(),
  );
  const passkeys = compiledOnce(db, 'passkey with head', [passkey_id], () =>
    db
      .selectFrom('person_passkeys')
      .leftJoin('row_heads', 'row_heads.row_id', 'person_passkeys.id')
      .selectAll('person_passkeys')
      .select('row_heads.digest as recorded')
      .where('person_passkeys.id', '=', '')
      .compile(),
  );
  const [[person], [passkey]] = await Promise.all([run(db, people), run(db, passkeys)]);
  return { person: person && withoutHead(person), passkey: passkey && withoutHead(passkey) };
}

/** Roles that are not ended. */
export async function readRoles(db: Db, person: string): Promise<Read<RoleGrantRow>[]> {
  const query = compiledOnce(db, 'roles with heads', [person, 'active'], () =>
    db
      .selectFrom('role_grants')
      .leftJoin('row_heads', 'row_heads.row_id', 'role_grants.id')
      .selectAll('role_grants')
      .select('row_heads.digest as recorded')
      .where('role_grants.person_id', '=', '')
      .where('role_grants.state', '=', 'active')
      .orderBy('role_grants.id')
      .compile(),
  );
  return (await run(db, query)).map(withoutHead);
}

function withoutHead<Row extends { readonly recorded: string | null }>({ recorded, ...row }: Row) {
  return { row: row as Omit<Row, 'recorded'>, recorded };
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

/** Of the sessions of a person: where each was last used from. When it was stays: a session ends by that. */
export async function forgetSessionAddresses(tables: Kysely<ScratchTables>, person: string): Promise<void> {
  await sql`update session_uses set last_used_from = '' where session_id in (
    select id from sessions where person_id = ${person})`.execute(tables);
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
