import type { Kysely } from 'kysely';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';

type Db = Kysely<Database>;

export async function findSignOn(db: Db, name: string): Promise<SignOnRow | undefined> {
  return await db.selectFrom('sign_ons').selectAll().where('name', '=', name).executeTakeFirst();
}

export async function listSignOns(db: Db): Promise<SignOnRow[]> {
  return await db.selectFrom('sign_ons').selectAll().orderBy('name').execute();
}

/** Id of who a provider means, put out or not. */
export async function findIdentityId(db: Db, signOn: string, subject: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('person_identities')
    .select('id')
    .where('sign_on_id', '=', signOn)
    .where('subject', '=', subject)
    .executeTakeFirst();
  return row?.id;
}

export async function identitiesOf(db: Db, person: string): Promise<PersonIdentityRow[]> {
  return await db
    .selectFrom('person_identities')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '=', 'active')
    .orderBy('id')
    .execute();
}

/** Roles that a provider's groups gave, to anybody. */
export async function rolesGivenBy(db: Db, signOn: string, limit: number): Promise<RoleGrantRow[]> {
  return await db
    .selectFrom('role_grants')
    .selectAll()
    .where('granted_by', '=', signOn)
    .where('state', '=', 'active')
    .orderBy('id')
    .limit(limit)
    .execute();
}
