import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import { secretIdsOf } from '../access/app-roles/app-roles.store.ts';
import type { Database } from '../database/schema.ts';
import type { ScratchTables } from '../database/scratch-tables.ts';

type Db = Kysely<Database>;
const AT_ONCE = 500;
const ENTRIES_PER_READ = 2_000;

const MAKING = ['token.created', 'token.exchanged', 'workload.created', 'app-secret.created'];

/** Ids of tokens, workloads and secret ids that these made, or were given. */
export async function madeBy(db: Db, actors: readonly string[]): Promise<string[]> {
  const made = await subjectsOf(db, actors, MAKING);
  // What an app role was given was given to its secret ids.
  for (const role of actors.filter((id) => id.startsWith(`${ID_PREFIXES.appRole}_`)))
    made.push(...(await secretIdsOf(db, role)));
  return made;
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

/** Leaves of what these did, up to a sequence, some at a time; in order for each some of them. */
export async function* leavesOf(
  db: Db,
  actors: readonly string[],
  actions: readonly string[],
  upTo: number,
): AsyncGenerator<readonly { readonly sequence: number; readonly leaf: string }[]> {
  for (let i = 0; i < actors.length; i += AT_ONCE) {
    const some = actors.slice(i, i + AT_ONCE);
    for (let after = 0; ; ) {
      const rows = await db
        .selectFrom('entries')
        .select(['sequence', 'leaf'])
        .where('actor', 'in', some)
        .where('action', 'in', [...actions])
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

/** Credentials and TOTP secrets of an environment that verifiers open, each with whose it is. */
export async function sharedSecrets(
  db: Db,
  environmentId: string,
): Promise<{ readonly kind: 'key' | 'factor'; readonly id: string; readonly part: string | null }[]> {
  const credentials = await db
    .selectFrom('credentials')
    .select(['id', 'key_id'])
    .where('environment_id', '=', environmentId)
    .where('kind', '=', 'hmac')
    .orderBy('id')
    .execute();
  const factors = await db
    .selectFrom('consumer_factors')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('kind', '=', 'totp')
    .orderBy('id')
    .execute();
  return [
    ...credentials.map(({ id, key_id }) => ({ kind: 'key' as const, id: key_id, part: id })),
    ...factors.map(({ id }) => ({ kind: 'factor' as const, id, part: null })),
  ];
}

/** Those of these credentials that somebody took, up to a sequence, who had nothing but the link. */
export async function takenByLink(db: Db, credentials: readonly string[], upTo: number): Promise<string[]> {
  if (credentials.length === 0) return [];
  const rows = await db
    .selectFrom('entries')
    .select(['subject', 'actor'])
    .where('subject', 'in', [...credentials])
    .where('action', '=', 'delivery.taken')
    .where('sequence', '<=', upTo)
    .execute();
  // Whoever has nothing else is no actor: the delivery is.
  return rows.filter(({ actor }) => actor.startsWith(`${ID_PREFIXES.delivery}_`)).map(({ subject }) => subject);
}

export async function placesOfCredentials(db: Db, ids: readonly string[]): Promise<{ id: string; key_id: string }[]> {
  if (ids.length === 0) return [];
  return await db
    .selectFrom('credentials')
    .select(['id', 'key_id'])
    .where('id', 'in', [...ids])
    .execute();
}

export async function placesOfVersions(
  db: Db,
  ids: readonly string[],
): Promise<{ id: string; secret_id: string; version: number }[]> {
  if (ids.length === 0) return [];
  return await db
    .selectFrom('secret_versions')
    .select(['id', 'secret_id', 'version'])
    .where('id', 'in', [...ids])
    .execute();
}

/** What the last entry that changed each of these rows was about. */
export async function lastSubjects(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('row_heads')
    .innerJoin('entries', 'entries.sequence', 'row_heads.sequence')
    .select(['row_heads.row_id', 'entries.subject'])
    .where('row_heads.row_id', 'in', [...ids])
    .execute();
  return new Map(rows.map(({ row_id, subject }) => [row_id, subject]));
}

/**
 * From which entry on whoever is shown something of the seal knows what counts now; 0: from the beginning. Shares leave
 * when a change of the seal begins, so that is where those who have them are.
 */
export async function sealKnownFrom(db: Db): Promise<number> {
  const changed = await newestOf(db, 'seal.changed');
  if (changed === undefined) return 0;
  const { code } = JSON.parse(changed.leaf) as Leaf;
  if (code !== 'shamir') return changed.sequence;
  return (await newestOf(db, 'seal.change-begun', changed.sequence))?.sequence ?? 0;
}

async function newestOf(db: Db, action: string, before = Number.MAX_SAFE_INTEGER) {
  return await db
    .selectFrom('entries')
    .select(['sequence', 'leaf'])
    .where('action', '=', action)
    .where('sequence', '<', before)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Entries that say what lists of these hash to: each names the off-boarding's row among its changes. */
export async function listingEntries(
  db: Db,
  principals: readonly string[],
): Promise<readonly { readonly sequence: number; readonly leaf: Leaf }[]> {
  const rows = await db
    .selectFrom('entries')
    .select(['sequence', 'leaf'])
    .where('action', '=', 'offboarding.listed')
    .where('subject', 'in', [...principals])
    .execute();
  return rows.map(({ sequence, leaf }) => ({ sequence, leaf: JSON.parse(leaf) as Leaf }));
}

/**
 * Tokens and workloads that are older than the log: who made them it does not say any more. None where nothing of it was
 * pruned.
 */
export async function olderThanLog(db: Db, limit: number): Promise<string[]> {
  const first = await db
    .selectFrom('entries')
    .select(['sequence', 'at'])
    .orderBy('sequence')
    .limit(1)
    .executeTakeFirst();
  if (first === undefined || first.sequence === 1) return [];
  const found: string[] = [];
  for (const table of ['tokens', 'workloads'] as const) {
    const rows = await db
      .selectFrom(table as 'tokens')
      .select('id')
      .where('state', '=', 'active')
      .where('created_at', '<', first.at)
      .orderBy('id')
      .limit(limit)
      .execute();
    found.push(...rows.map(({ id }) => id));
  }
  return found.slice(0, limit);
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
