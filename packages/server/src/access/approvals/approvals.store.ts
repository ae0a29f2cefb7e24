import type { Kysely } from 'kysely';
import type { ApprovalRequestRow, ApprovalRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';

type Db = Kysely<Database>;

export async function findRequest(db: Db, id: string): Promise<ApprovalRequestRow | undefined> {
  return await db.selectFrom('approval_requests').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Newest first. */
export async function listRequests(db: Db, after: string | undefined, limit: number): Promise<ApprovalRequestRow[]> {
  let query = db.selectFrom('approval_requests').selectAll().orderBy('id', 'desc').limit(limit);
  if (after !== undefined) query = query.where('id', '<', after);
  return await query.execute();
}

/** Of one person, oldest first; those that are over by time too. */
export async function waitingOf(db: Db, person: string): Promise<ApprovalRequestRow[]> {
  return await db
    .selectFrom('approval_requests')
    .selectAll()
    .where('person_id', '=', person)
    .where('state', '=', 'waiting')
    .orderBy('id')
    .execute();
}

/** Ids of those that wait although their time is over. */
export async function findOver(db: Db, nowMs: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('approval_requests')
    .select('id')
    .where('state', '=', 'waiting')
    .where('expires_at', '<=', nowMs)
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** What was said of these, oldest first. */
export async function approvalsOf(db: Db, requests: readonly string[]): Promise<ApprovalRow[]> {
  if (requests.length === 0) return [];
  return await db
    .selectFrom('approvals')
    .selectAll()
    .where('request_id', 'in', [...requests])
    .orderBy('id')
    .execute();
}

/** People whom any of these made, let enrol anew, or gave a role, since then. */
export async function madeBy(db: Db, people: readonly string[], sinceMs: number): Promise<string[]> {
  if (people.length === 0) return [];
  const invited = await db
    .selectFrom('invitations')
    .select('person_id')
    .where('invited_by', 'in', [...people])
    .where('created_at', '>', sinceMs)
    .execute();
  const raised = await db
    .selectFrom('role_grants')
    .select('person_id')
    .where('granted_by', 'in', [...people])
    .where('created_at', '>', sinceMs)
    .execute();
  return [...new Set([...invited, ...raised].map(({ person_id }) => person_id))];
}

export async function namesOf(db: Db, people: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (people.length === 0) return new Map();
  const rows = await db
    .selectFrom('people')
    .select(['id', 'name'])
    .where('id', 'in', [...new Set(people)])
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/** Who saved the policy, or when the custom role was saved: what opens something since today opens no approval. */
export async function savedSince(db: Db, rule: string, sinceMs: number): Promise<boolean> {
  if (rule.startsWith('pol_')) {
    const policy = db.selectFrom('policies').select('id').where('id', '=', rule).where('saved_at', '>', sinceMs);
    return (await policy.executeTakeFirst()) !== undefined;
  }
  const name = rule.slice(rule.indexOf(':') + 1);
  const role = db.selectFrom('custom_roles').select('id').where('name', '=', name).where('saved_at', '>', sinceMs);
  return (await role.executeTakeFirst()) !== undefined;
}

/** Whether somebody else is an owner of the installation, as the rows say. */
export async function hasOtherOwner(db: Db, person: string): Promise<boolean> {
  const other = await db
    .selectFrom('role_grants')
    .innerJoin('people', 'people.id', 'role_grants.person_id')
    .select('role_grants.id')
    .where('role_grants.role', '=', 'owner')
    .where('role_grants.state', '=', 'active')
    .where('role_grants.project_id', 'is', null)
    .where('role_grants.environment_id', 'is', null)
    .where('people.state', '=', 'active')
    .where('people.id', '!=', person)
    .limit(1)
    .executeTakeFirst();
  return other !== undefined;
}
