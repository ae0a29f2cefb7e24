import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';
import { SHOWING_ACTIONS } from './exposure.ts';

type Db = Kysely<Database>;
const AT_ONCE = 500;
const ENTRIES_PER_READ = 2_000;

/** Ids of tokens that these made, or that were given to them as workloads. */
export async function tokensMadeBy(db: Db, actors: readonly string[]): Promise<string[]> {
  return await subjectsOf(db, actors, ['token.created', 'token.exchanged']);
}

/** Ids of workloads that these made. */
export async function workloadsMadeBy(db: Db, actors: readonly string[]): Promise<string[]> {
  return await subjectsOf(db, actors, ['workload.created']);
}

async function subjectsOf(db: Db, actors: readonly string[], actions: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (let i = 0; i < actors.length; i += AT_ONCE) {
    const rows = await db
      .selectFrom('entries')
      .select('subject')
      .where('actor', 'in', actors.slice(i, i + AT_ONCE))
      .where('action', 'in', [...actions])
      .orderBy('sequence')
      .execute();
    found.push(...rows.map(({ subject }) => subject));
  }
  return found;
}

/** Leaves by which something was shown to these, up to a sequence, some at a time; in order for each some of them. */
export async function* showingLeaves(
  db: Db,
  actors: readonly string[],
  upTo: number,
): AsyncGenerator<readonly { readonly sequence: number; readonly leaf: string }[]> {
  for (let i = 0; i < actors.length; i += AT_ONCE) {
    const some = actors.slice(i, i + AT_ONCE);
    for (let after = 0; ; ) {
      const rows = await db
        .selectFrom('entries')
        .select(['sequence', 'leaf'])
        .where('actor', 'in', some)
        .where('action', 'in', SHOWING_ACTIONS)
        .where('sequence', '>', after)
        .where('sequence', '<=', upTo)
        .orderBy('sequence')
        .limit(ENTRIES_PER_READ)
        .execute();
      yield rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < ENTRIES_PER_READ) break;
      after = last.sequence;
    }
  }
}

/** Numbers of versions by their ids. */
export async function versionNumbers(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const numbers = new Map<string, number>();
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const rows = await db
      .selectFrom('secret_versions')
      .select(['id', 'version'])
      .where('id', 'in', ids.slice(i, i + AT_ONCE))
      .execute();
    for (const { id, version } of rows) numbers.set(id, version);
  }
  return numbers;
}

/** Those of these ids that hold no secret that we made: public keys, and passkeys. */
export async function withoutSecret(
  db: Db,
  table: 'credentials' | 'consumer_factors',
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const kind = table === 'credentials' ? 'public-key' : 'passkey';
  const found = new Set<string>();
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const rows = await db
      .selectFrom(table as 'credentials')
      .select('id')
      .where('id', 'in', ids.slice(i, i + AT_ONCE))
      .where('kind', '=', kind as 'public-key')
      .execute();
    for (const { id } of rows) found.add(id);
  }
  return found;
}

/** Credentials whose secrets verifiers open, of an environment. */
export async function sharedCredentials(db: Db, environmentId: string): Promise<{ id: string; key_id: string }[]> {
  return await db
    .selectFrom('credentials')
    .select(['id', 'key_id'])
    .where('environment_id', '=', environmentId)
    .where('kind', '=', 'hmac')
    .orderBy('id')
    .execute();
}

/** When the seal was changed last; 0: never. */
export async function lastSealChange(db: Db): Promise<number> {
  const row = await db
    .selectFrom('entries')
    .select(({ fn }) => fn.max('sequence').as('sequence'))
    .where('action', '=', 'seal.changed')
    .executeTakeFirst();
  return Number(row?.sequence ?? 0);
}

/** Writes a list anew, from its `start` on. */
export async function writeLines(
  tables: Kysely<ScratchTables>,
  offboarding: string,
  lines: readonly string[],
  start: number,
): Promise<void> {
  if (start === 0) {
    // '0' follows '/' in ASCII.
    await tables
      .deleteFrom('exposures')
      .where('id', '>', `${offboarding}/`)
      .where('id', '<', `${offboarding}0`)
      .execute();
  }
  if (lines.length === 0) return;
  const rows = lines.map((line, i) => ({ id: idOfLine(offboarding, start + i), line }));
  await tables.insertInto('exposures').values(rows).execute();
}

function idOfLine(offboarding: string, index: number): string {
  return `${offboarding}/${String(index).padStart(9, '0')}`;
}

export async function readLines(
  db: Db,
  offboarding: string,
  after: string | undefined,
  limit: number,
): Promise<{ id: string; line: string }[]> {
  return await db
    .selectFrom('exposures')
    .selectAll()
    .where('id', '>', after ?? `${offboarding}/`)
    .where('id', '<', `${offboarding}0`)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Ids of the newest versions, by secret. */
export async function newestVersions(db: Db, secrets: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (let i = 0; i < secrets.length; i += AT_ONCE) {
    const rows = await db
      .selectFrom('secrets')
      .innerJoin('secret_versions', (join) =>
        join
          .onRef('secret_versions.secret_id', '=', 'secrets.id')
          .onRef('secret_versions.version', '=', 'secrets.version'),
      )
      .select(['secrets.id', 'secret_versions.id as version_id'])
      .where('secrets.id', 'in', secrets.slice(i, i + AT_ONCE))
      .execute();
    for (const { id, version_id } of rows) found.set(id, version_id);
  }
  return found;
}

/** When the newest credential in use of each key was made. */
export async function newestCredentials(db: Db, keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (let i = 0; i < keys.length; i += AT_ONCE) {
    const rows = await db
      .selectFrom('credentials')
      .select(['key_id', ({ fn }) => fn.max('created_at').as('newest')])
      .where('key_id', 'in', keys.slice(i, i + AT_ONCE))
      .where('state', '=', 'active')
      .groupBy('key_id')
      .execute();
    for (const { key_id, newest } of rows) found.set(key_id, Number(newest));
  }
  return found;
}
