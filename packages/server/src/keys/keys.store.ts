import type { State } from '@keyhold/protocol/state';
import type { Kysely } from 'kysely';
import { inParts } from '../database/in-parts.ts';
import type {
  AddressBookRow,
  CredentialRow,
  Database,
  EnvironmentRow,
  KeyRow,
  SignatureKeyRow,
} from '../database/schema.ts';
import { likePart } from '../projects/projects.store.ts';

type Db = Kysely<Database>;

/** A key with the names of its place. */
export type PlacedKey = KeyRow & {
  readonly project_slug: string;
  readonly environment_name: string;
  readonly environment_prefix: string;
  readonly environment_lease_seconds: number;
  readonly environment_after_lease: EnvironmentRow['after_lease'];
};

function placedKeys(db: Db) {
  return db
    .selectFrom('keys')
    .innerJoin('projects', 'projects.id', 'keys.project_id')
    .innerJoin('environments', 'environments.id', 'keys.environment_id')
    .selectAll('keys')
    .select([
      'projects.slug as project_slug',
      'environments.name as environment_name',
      'environments.prefix as environment_prefix',
      'environments.lease_seconds as environment_lease_seconds',
      'environments.after_lease as environment_after_lease',
    ]);
}

export async function findPlacedKey(db: Db, id: string): Promise<PlacedKey | undefined> {
  return await placedKeys(db).where('keys.id', '=', id).executeTakeFirst();
}

export async function findCredential(db: Db, id: string): Promise<CredentialRow | undefined> {
  return await db.selectFrom('credentials').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function findAddressBook(db: Db, keyId: string): Promise<AddressBookRow | undefined> {
  return await db.selectFrom('address_books').selectAll().where('key_id', '=', keyId).executeTakeFirst();
}

/** Where each of these keys may send funds to. */
export async function findAddressBooks(db: Db, keyIds: readonly string[]): Promise<ReadonlyMap<string, string[]>> {
  if (keyIds.length === 0) return new Map();
  const rows = await db.selectFrom('address_books').selectAll().where('key_id', 'in', keyIds).execute();
  return new Map(rows.map(({ key_id, addresses }) => [key_id, JSON.parse(addresses) as string[]]));
}

export async function isPublicKeyTaken(db: Db, publicKey: string): Promise<boolean> {
  const found = await db.selectFrom('signature_keys').select('id').where('public_key', '=', publicKey).execute();
  return found.length > 0;
}

/** What the credentials that sign are verified with, by credential. */
export async function findSignatureKeys(
  db: Db,
  credentials: readonly Pick<CredentialRow, 'id' | 'kind'>[],
): Promise<ReadonlyMap<string, SignatureKeyRow>> {
  const signing = credentials.filter(({ kind }) => kind !== 'bearer').map(({ id }) => id);
  const rows = await inParts(signing, (some) =>
    db.selectFrom('signature_keys').selectAll().where('credential_id', 'in', some).execute(),
  );
  return new Map(rows.map((row) => [row.credential_id, row]));
}

/** Ids beyond `after` of keys that were destroyed, oldest first. */
export async function listDestroyed(db: Db, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('keys')
    .select('id')
    .where('state', '=', 'destroyed')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** What can still be opened of what credentials of these keys were verified with. */
export async function findOpenable(db: Db, keyIds: readonly string[]) {
  return await db
    .selectFrom('credentials')
    .innerJoin('keys', 'keys.id', 'credentials.key_id')
    .innerJoin('signature_keys', 'signature_keys.credential_id', 'credentials.id')
    .select(['signature_keys.id', 'credentials.key_id', 'keys.project_id', 'keys.environment_id'])
    .where('credentials.key_id', 'in', [...keyIds])
    .where('signature_keys.envelope', 'is not', null)
    .execute();
}

/** Newest first within each key. */
export async function listCredentials(db: Db, keyIds: readonly string[]): Promise<CredentialRow[]> {
  if (keyIds.length === 0) return [];
  return await db
    .selectFrom('credentials')
    .selectAll()
    .where('key_id', 'in', [...keyIds])
    .orderBy('id', 'desc')
    .execute();
}

export interface KeyFilter {
  /** Those that lie in these projects, null for all, or in these environments. */
  readonly projects: readonly string[] | null;
  readonly environments: readonly string[];
  readonly consumer?: string | undefined;
  readonly state?: State | undefined;
  readonly q?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
  /** Epoch milliseconds; decides states that time makes. */
  readonly nowMs: number;
}

/** Newest first. */
export async function listKeys(db: Db, filter: KeyFilter): Promise<PlacedKey[]> {
  let query = placedKeys(db).orderBy('keys.id', 'desc').limit(filter.limit);
  const { projects, environments } = filter;
  if (projects?.length === 0 && environments.length === 0) return [];
  if (projects !== null) query = whereLies(query, projects, environments);
  if (filter.consumer !== undefined) query = query.where('keys.consumer_id', '=', filter.consumer);
  if (filter.after !== undefined) query = query.where('keys.id', '<', filter.after);
  if (filter.state !== undefined) query = whereState(query, filter.state, filter.nowMs);
  if (filter.q !== undefined) query = whereFound(query, filter.q);
  return await query.execute();
}

type KeysQuery = ReturnType<typeof placedKeys>;

function whereLies(query: KeysQuery, projects: readonly string[], environments: readonly string[]): KeysQuery {
  return query.where(({ eb, or }) =>
    or([
      ...(projects.length > 0 ? [eb('keys.project_id', 'in', [...projects])] : []),
      ...(environments.length > 0 ? [eb('keys.environment_id', 'in', [...environments])] : []),
    ]),
  );
}

/** The SQL of `stateAt`; a test holds the two together. */
function whereState(query: KeysQuery, state: State, nowMs: number): KeysQuery {
  return query.where(({ and, or, eb, not }) => {
    const stored = (value: State) => eb('keys.state', '=', value);
    const over = and([eb('keys.expires_at', 'is not', null), eb('keys.expires_at', '<=', nowMs)]);
    const early = and([eb('keys.starts_at', 'is not', null), eb('keys.starts_at', '>', nowMs)]);
    switch (state) {
      case 'active':
        return and([stored('active'), not(over), not(early)]);
      case 'pre-active':
        return and([stored('active'), not(over), early]);
      case 'suspended':
        return and([stored('suspended'), not(over)]);
      case 'deactivated':
        return or([stored('deactivated'), and([or([stored('active'), stored('suspended')]), over])]);
      default:
        return stored(state);
    }
  });
}

function whereFound(query: KeysQuery, q: string): KeysQuery {
  return query.where(({ or, eb, fn, val, exists, selectFrom }) =>
    or([
      eb('keys.id', '=', q),
      eb(fn('lower', ['keys.name']), 'like', fn('lower', [val(likePart(q))])),
      exists(
        selectFrom('credentials')
          .select('credentials.id')
          .whereRef('credentials.key_id', '=', 'keys.id')
          .where((inner) => inner.or([inner('credentials.hint', '=', q), inner('credentials.id', '=', q)])),
      ),
    ]),
  );
}
