import type { Kysely } from 'kysely';
import { compiledOnce } from '../database/compiled.ts';
import { run } from '../database/run.ts';
import type { Database, TokenRow } from '../database/schema.ts';

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

/** Newest first. */
export async function listTokens(db: Kysely<Database>, after: string | undefined, limit: number): Promise<TokenRow[]> {
  let query = db.selectFrom('tokens').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}
