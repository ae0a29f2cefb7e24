import type { TokenKind, TokenState } from '@keyhold/protocol/operations/access';
import { type Kysely, type RawBuilder, sql, type SqlBool } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { elementsOf } from '../database/json-list.ts';
import { run } from '../database/run.ts';
import type { Database, TokenRow } from '../database/schema.ts';
import type { Reach } from './principal.ts';
import { EXCHANGED_NAMES } from './token-names.ts';

/** The token with this digest, and the digest of its row that the ledger recorded last. */
export async function findTokenByDigest(
  db: Kysely<Database>,
  digest: string,
): Promise<{ token: TokenRow; recorded: string | null } | undefined> {
  const query = compiledOnce(db, 'token by digest', [digest], () =>
    db
      .selectFrom('tokens')
      .leftJoin('row_heads', 'row_heads.row_id', 'tokens.id')
      .selectAll('tokens')
      .select('row_heads.digest as recorded')
      .where('tokens.digest', '=', digest)
      .compile(),
  );
  const row = (await run(db, query))[0];
  if (row === undefined) return undefined;
  const { recorded, ...token } = row;
  return { token, recorded };
}

export async function findToken(db: Kysely<Database>, id: string): Promise<TokenRow | undefined> {
  return await db.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function findTokens(db: Kysely<Database>, ids: readonly string[]): Promise<TokenRow[]> {
  if (ids.length === 0) return [];
  return await db.selectFrom('tokens').selectAll().where('id', 'in', ids).execute();
}

export interface TokenFilter {
  /** Where all lies that those are bound to which are shown. */
  readonly within?: Pick<Reach, 'projects' | 'environments'> | undefined;
  readonly kind?: TokenKind | undefined;
  readonly state?: TokenState | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
  /** Epoch milliseconds: which are over by now. */
  readonly nowMs: number;
}

/**
 * Newest first. Those that are over, and that were exchanged, are many; what is few is found by an index and not by
 * looking through them.
 */
export async function listTokens(
  db: Kysely<Database>,
  { within, kind, state, after, limit, nowMs }: TokenFilter,
): Promise<TokenRow[]> {
  let query = db.selectFrom('tokens').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  if (within !== undefined && within.projects !== null)
    query = query.where(liesWithin(db, within.projects, within.environments));
  const among = (those: RawBuilder<SqlBool>) => db.selectFrom('tokens').select('id').where(those);
  if (state === 'active') query = query.where('id', 'in', among(isLiving(nowMs)));
  if (state === 'deactivated') query = query.where(({ not }) => not(isLiving(nowMs)));
  if (kind === 'created') query = query.where('id', 'in', among(isCreated()));
  if (kind === 'exchanged') query = query.where(isExchanged());
  return await query.execute();
}

/** The SQL of `isAlive`; a test holds the two together. */
function isLiving(nowMs: number): RawBuilder<SqlBool> {
  return sql<SqlBool>`(state = 'active' and (expires_at is null or expires_at > ${nowMs}))`;
}

/** The SQL of `workloadOf` having none: the names before, between and behind those of exchanged tokens. */
function isCreated(): RawBuilder<SqlBool> {
  const ends = EXCHANGED_NAMES.map(([, to], i) => {
    const next = EXCHANGED_NAMES[i + 1]?.[0];
    return next === undefined ? sql`name >= ${to}` : sql`name >= ${to} and name < ${next}`;
  });
  return sql<SqlBool>`(name < ${EXCHANGED_NAMES[0]?.[0]} or ${sql.join(ends, sql` or `)})`;
}

function isExchanged(): RawBuilder<SqlBool> {
  const names = EXCHANGED_NAMES.map(([from, to]) => sql`name >= ${from} and name < ${to}`);
  return sql<SqlBool>`(${sql.join(names, sql` or `)})`;
}

/** True where a token is bound, and to nothing beyond these. */
function liesWithin(
  db: Kysely<Database>,
  projects: readonly string[],
  environments: readonly string[],
): RawBuilder<SqlBool> {
  const open = db
    .selectFrom('environments')
    .select('id')
    .where(({ eb, or }) => or([eb('id', 'in', [...environments, '']), eb('project_id', 'in', [...projects, ''])]));
  const bound = elementsOf(db, sql`tokens.projects`);
  const beyond = sql`select 1 from ${bound} where bound.value not in (${sql.join([...projects, ''])})`;
  const inEnvironments = sql`select id from tokens where environment_id in (${open})`;
  const inProjects = sql`select id from tokens where projects is not null and not exists (${beyond})`;
  return sql<SqlBool>`id in (${inEnvironments} union all ${inProjects})`;
}
