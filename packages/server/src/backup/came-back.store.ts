import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';

/** What lets somebody in, or gives him something, once: and what says of its rows that they still do. */
export type OpenTable = 'deliveries' | 'invitations' | 'approval_requests';

/** Ids beyond `after` of rows that are open and that no entry has touched since the one at `sequence`. */
export async function openBefore(
  db: Kysely<Database>,
  table: OpenTable,
  sequence: number,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await openOf(db, table)
    .innerJoin('row_heads', 'row_heads.row_id', 'open.id')
    .select('open.id')
    .where('row_heads.sequence', '<', sequence)
    .where('open.id', '>', after)
    .orderBy('open.id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

function openOf(db: Kysely<Database>, table: OpenTable) {
  switch (table) {
    case 'deliveries':
      return db.selectFrom(db.selectFrom(table).select('id').where('envelope', 'is not', null).as('open'));
    case 'invitations':
      return db.selectFrom(db.selectFrom(table).select('id').where('state', '=', 'open').as('open'));
    case 'approval_requests':
      return db.selectFrom(db.selectFrom(table).select('id').where('state', '=', 'waiting').as('open'));
  }
}
