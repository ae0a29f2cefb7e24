import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import type { InvitationRow, PersonRow, RoleGrantRow } from '../../database/people-rows.ts';

type Db = Kysely<Database>;

export async function findPerson(db: Db, id: string): Promise<PersonRow | undefined> {
  return await db.selectFrom('people').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Newest first. */
export async function listPeople(db: Db, after: string | undefined, limit: number): Promise<PersonRow[]> {
  let query = db.selectFrom('people').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

/** Roles that are not ended; those that are over by time too. */
export async function rolesOf(db: Db, people: readonly string[]): Promise<RoleGrantRow[]> {
  if (people.length === 0) return [];
  return await db
    .selectFrom('role_grants')
    .selectAll()
    .where('person_id', 'in', [...people])
    .where('state', '=', 'active')
    .orderBy('id')
    .execute();
}

/** Ids of all that a person ever had, ended or not. */
export async function allRoleIdsOf(db: Db, person: string): Promise<string[]> {
  const rows = await db.selectFrom('role_grants').select('id').where('person_id', '=', person).execute();
  return rows.map(({ id }) => id);
}

export async function findRole(db: Db, id: string): Promise<RoleGrantRow | undefined> {
  return await db.selectFrom('role_grants').selectAll().where('id', '=', id).executeTakeFirst();
}

/** How many passkeys each has. */
export async function countPasskeys(db: Db, people: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (people.length === 0) return new Map();
  const rows = await db
    .selectFrom('person_passkeys')
    .select(['person_id', ({ fn }) => fn.countAll<number>().as('count')])
    .where('person_id', 'in', [...people])
    .where('state', '=', 'active')
    .groupBy('person_id')
    .execute();
  return new Map(rows.map((row) => [row.person_id, Number(row.count)]));
}

/** Ids of roles by which somebody is an owner of the installation, whoever he is. */
export async function ownersRoleIds(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('role_grants')
    .select('id')
    .where('role', '=', 'owner')
    .where('state', '=', 'active')
    .where('project_id', 'is', null)
    .where('environment_id', 'is', null)
    .execute();
  return rows.map(({ id }) => id);
}

/** Those that are open. */
export async function openInvitations(db: Db, person: string): Promise<InvitationRow[]> {
  return await db
    .selectFrom('invitations')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '=', 'open')
    .execute();
}

/** Those that are open, by whoever gave them out. */
export async function openInvitationsBy(
  db: Db,
  inviters: readonly string[],
  after: string,
  limit: number,
): Promise<InvitationRow[]> {
  return await db
    .selectFrom('invitations')
    .selectAll()
    .where('invited_by', 'in', [...inviters])
    .where('state', '=', 'open')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

export async function findInvitationId(db: Db, digest: string): Promise<string | undefined> {
  const row = await db.selectFrom('invitations').select('id').where('digest', '=', digest).executeTakeFirst();
  return row?.id;
}

/** Ids of workloads that somebody trusts, by the log, and that are still trusted. */
export async function workloadsMadeBy(db: Db, actor: string): Promise<string[]> {
  const rows = await db
    .selectFrom('entries')
    .innerJoin('workloads', 'workloads.id', 'entries.subject')
    .select('workloads.id')
    .where('entries.actor', '=', actor)
    .where('entries.action', '=', 'workload.created')
    .where('workloads.state', '=', 'active')
    .orderBy('workloads.id')
    .limit(1000)
    .execute();
  return rows.map(({ id }) => id);
}

/** Ids of tokens that somebody made, by the log, and that still open something. */
export async function livingTokensMadeBy(db: Db, actor: string, nowMs: number): Promise<string[]> {
  const rows = await db
    .selectFrom('entries')
    .innerJoin('tokens', 'tokens.id', 'entries.subject')
    .select('tokens.id')
    .where('entries.actor', '=', actor)
    .where('entries.action', '=', 'token.created')
    .where('tokens.state', '=', 'active')
    .where(({ eb, or }) => or([eb('tokens.expires_at', 'is', null), eb('tokens.expires_at', '>', nowMs)]))
    .orderBy('tokens.id')
    .limit(1000)
    .execute();
  return rows.map(({ id }) => id);
}
