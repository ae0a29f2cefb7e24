import type { Leaf } from '@keyhold/protocol/leaf';
import { type Kysely, sql } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Database, SecretVersionRow } from '../database/schema.ts';
import { versionOf } from '../delivery/delivery.ts';
import type { PlacedSecret } from './secret-record.ts';

type Db = Kysely<Database>;

function placedSecrets(db: Db) {
  return db
    .selectFrom('secrets')
    .innerJoin('projects', 'projects.id', 'secrets.project_id')
    .innerJoin('environments', 'environments.id', 'secrets.environment_id')
    .leftJoin('secret_versions as newest', (join) =>
      join.onRef('newest.secret_id', '=', 'secrets.id').onRef('newest.version', '=', 'secrets.version'),
    )
    .selectAll('secrets')
    .select(['projects.slug as project_slug', 'environments.name as environment_name', 'newest.id as newest_id']);
}

export async function findSecret(db: Db, id: string): Promise<PlacedSecret | undefined> {
  const query = compiledOnce(db, 'secret by id', [id], () => placedSecrets(db).where('secrets.id', '=', id).compile());
  return (await run(db, query))[0];
}

export async function findSecretByPath(db: Db, environmentId: string, path: string): Promise<PlacedSecret | undefined> {
  const query = compiledOnce(db, 'secret by path', [environmentId, path], () =>
    placedSecrets(db).where('secrets.environment_id', '=', environmentId).where('secrets.path', '=', path).compile(),
  );
  return (await run(db, query))[0];
}

export interface SecretFilter {
  readonly environment: string;
  readonly prefix?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** By path. */
export async function listSecrets(
  db: Db,
  { environment, prefix, after, limit }: SecretFilter,
): Promise<PlacedSecret[]> {
  let query = placedSecrets(db).where('secrets.environment_id', '=', environment).orderBy('secrets.path').limit(limit);
  if (after !== undefined) query = query.where('secrets.path', '>', after);
  if (prefix !== undefined) {
    // The range lets the index find it; the comparison makes it exact. U+10FFFF sorts behind every other character.
    query = query.where('secrets.path', '>=', prefix).where('secrets.path', '<', `${prefix}\u{10ffff}`);
    query = query.where(sql<boolean>`substr(secrets.path, 1, length(${prefix})) = ${prefix}`);
  }
  return await query.execute();
}

/** A version without its envelope, but for whether there is one. */
export type ListedVersion = Pick<
  SecretVersionRow,
  'id' | 'version' | 'envelope' | 'deleted_at' | 'expires_at' | 'created_at'
>;

function versionsOf(db: Db, secretId: string) {
  return db
    .selectFrom('secret_versions')
    .select(['id', 'version', 'deleted_at', 'expires_at', 'created_at'])
    .select(sql<string | null>`case when envelope is null then null else '' end`.as('envelope'))
    .where('secret_id', '=', secretId);
}

/** Newest first, below the version `before`. */
export async function listVersions(
  db: Db,
  secretId: string,
  before: number | undefined,
  limit: number,
): Promise<ListedVersion[]> {
  const query = versionsOf(db, secretId).orderBy('version', 'desc').limit(limit);
  return await (before === undefined ? query : query.where('version', '<', before)).execute();
}

/** Ids of these versions that there are. */
export async function findVersions(db: Db, secretId: string, versions: readonly number[]): Promise<ListedVersion[]> {
  return await versionsOf(db, secretId)
    .where('version', 'in', [...versions])
    .orderBy('version')
    .execute();
}

/** Id of one version, to be read and checked within a change. */
export async function findVersionId(db: Db, secretId: string, version: number): Promise<string | undefined> {
  const query = compiledOnce(db, 'secret version', [secretId, version], () =>
    db
      .selectFrom('secret_versions')
      .select('id')
      .where('secret_id', '=', secretId)
      .where('version', '=', version)
      .compile(),
  );
  return (await run(db, query))[0]?.id;
}

/** Ids of versions up to `last` that are not destroyed yet, oldest first. */
export async function findUndestroyed(db: Db, secretId: string, last: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('secret_versions')
    .select('id')
    .where('secret_id', '=', secretId)
    .where('version', '<=', last)
    .where('envelope', 'is not', null)
    .orderBy('version')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** A link or a wrapped answer that waits to give a version of a secret. */
export interface WaitingLink {
  readonly id: string;
  /** Null in rows of releases whose links say nothing but their secret. */
  readonly version: number | null;
  readonly createdAt: number;
}

/** Deliveries of a secret that wait, oldest first. */
export async function findLinks(db: Db, secretId: string): Promise<WaitingLink[]> {
  const waiting = db.selectFrom('deliveries').where('deliveries.envelope', 'is not', null);
  const links = await waiting
    .select(['id', 'created_at as createdAt', 'subject'])
    // By itself, and with what a link adds to it: `/` and `0` are neighbours.
    .where('subject', '>=', secretId)
    .where('subject', '<', `${secretId}0`)
    .execute();
  const wrapped = await waiting
    .innerJoin('secret_versions', 'secret_versions.id', 'deliveries.subject')
    .select(['deliveries.id', 'deliveries.created_at as createdAt', 'secret_versions.version'])
    .where('secret_versions.secret_id', '=', secretId)
    .execute();
  const said = links.map(({ id, createdAt, subject }) => ({ id, createdAt, version: versionOf(subject) }));
  return [...said, ...wrapped].sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** The version that each delivery of a secret was made of, as its entry says: of all, or of those made since then. */
export async function findDelivered(db: Db, secretId: string, sinceMs = 0): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('entries')
    .select('leaf')
    .where('subject', '=', secretId)
    .where('action', '=', 'secret.delivered')
    .where('at', '>=', sinceMs)
    .execute();
  const versions = new Map<string, number>();
  for (const { leaf } of rows) {
    const { changes, code } = JSON.parse(leaf) as Leaf;
    for (const { id } of changes) versions.set(id, Number(code?.replace('version-', '')));
  }
  return versions;
}

/** Id of an environment's settings, to be read and checked. */
export async function findSettingsId(db: Db, environmentId: string): Promise<string | undefined> {
  const query = compiledOnce(db, 'secret settings', [environmentId], () =>
    db.selectFrom('secret_settings').select('id').where('environment_id', '=', environmentId).compile(),
  );
  return (await run(db, query))[0]?.id;
}
