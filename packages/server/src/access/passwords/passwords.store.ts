import type { Kysely } from 'kysely';
import { compiledOnce } from '../../database/compiled.ts';
import type { PersonPasswordRow } from '../../database/people-rows.ts';
import { run } from '../../database/run.ts';
import type { Database } from '../../database/schema.ts';

type Db = Kysely<Database>;

/** Id of the one that somebody signs in to under this name. */
export async function findLogin(db: Db, login: string): Promise<string | undefined> {
  const query = db.selectFrom('person_passwords').select('id').where('login', '=', login);
  return (await query.executeTakeFirst())?.id;
}

/** Id of the one that an invitation lets somebody have. */
export async function offeredBy(db: Db, invitation: string): Promise<string | undefined> {
  const query = db.selectFrom('person_passwords').select('id').where('invitation_id', '=', invitation);
  return (await query.where('state', '=', 'offered').executeTakeFirst())?.id;
}

/** Those that are not removed: one that is had, then offers. */
export async function passwordsOf(db: Db, person: string): Promise<PersonPasswordRow[]> {
  const query = db.selectFrom('person_passwords').selectAll().where('person_id', '=', person);
  return await query.where('state', '!=', 'removed').orderBy('state').orderBy('id').execute();
}

/** Those of these people who have one. */
export async function withPassword(db: Db, people: readonly string[]): Promise<ReadonlySet<string>> {
  if (people.length === 0) return new Set();
  const query = db
    .selectFrom('person_passwords')
    .select('person_id')
    .where('person_id', 'in', [...people]);
  return new Set((await query.where('state', '=', 'active').execute()).map(({ person_id }) => person_id));
}

/** One, and the digest of it that the ledger recorded last. */
export async function readPassword(
  db: Db,
  id: string,
): Promise<{ row: PersonPasswordRow; recorded: string | null } | undefined> {
  const query = compiledOnce(db, 'password with head', [id], () =>
    db
      .selectFrom('person_passwords')
      .leftJoin('row_heads', 'row_heads.row_id', 'person_passwords.id')
      .selectAll('person_passwords')
      .select('row_heads.digest as recorded')
      .where('person_passwords.id', '=', '')
      .compile(),
  );
  const [found] = await run(db, query);
  if (found === undefined) return undefined;
  const { recorded, ...row } = found;
  return { row, recorded };
}
