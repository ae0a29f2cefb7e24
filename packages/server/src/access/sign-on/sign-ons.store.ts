import type { Kysely } from 'kysely';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { PersonIdentityRow, SignOnRow } from '../../database/sign-on-rows.ts';
import { mappedRolesOf } from './sign-on.ts';

type Db = Kysely<Database>;

export async function findSignOn(db: Db, name: string): Promise<SignOnRow | undefined> {
  return await db.selectFrom('sign_ons').selectAll().where('name', '=', name).executeTakeFirst();
}

export async function listSignOns(db: Db): Promise<SignOnRow[]> {
  return await db.selectFrom('sign_ons').selectAll().orderBy('name').execute();
}

/** Who an issuer means, put out or not. */
export async function findIdentity(db: Db, issuer: string, subject: string): Promise<PersonIdentityRow | undefined> {
  return await db
    .selectFrom('person_identities')
    .selectAll()
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst();
}

/** Whether groups somewhere give a role of that name. */
export async function isMapped(db: Db, role: string): Promise<boolean> {
  const rows = await db.selectFrom('sign_ons').select('roles').execute();
  return rows.some((row) => mappedRolesOf(row).some((one) => one.role === role));
}

/** Issuers at which each of these is known. */
export async function issuersOf(db: Db, people: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = await db
    .selectFrom('person_identities')
    .select(['person_id', 'issuer'])
    .where('person_id', 'in', [...people])
    .where('state', '=', 'active')
    .execute();
  const found = new Map<string, Set<string>>(people.map((id) => [id, new Set()]));
  for (const { person_id, issuer } of rows) found.get(person_id)?.add(issuer);
  return found;
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
