import type { Kysely } from 'kysely';
import type { ApprovalRequestRow, ApprovalRow, PersonRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import { oldestEntry, saysCode } from '../../ledger/entries.store.ts';
import { BARRED_MS } from './approval.ts';

type Db = Kysely<Database>;

export async function findRequest(db: Db, id: string): Promise<ApprovalRequestRow | undefined> {
  return await db.selectFrom('approval_requests').selectAll().where('id', '=', id).executeTakeFirst();
}

/** What waits, and what this person asked since then, newest first. */
export async function listRequests(
  db: Db,
  { person, sinceMs, after, limit }: { person: string; sinceMs: number; after: string | undefined; limit: number },
): Promise<ApprovalRequestRow[]> {
  let query = db
    .selectFrom('approval_requests')
    .selectAll()
    .where((eb) =>
      eb.or([eb('state', '=', 'waiting'), eb.and([eb('person_id', '=', person), eb('created_at', '>', sinceMs)])]),
    )
    .orderBy('id', 'desc')
    .limit(limit);
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

/**
 * Whether an approval is the word of this person still: what he signed it with may have been in other hands, where he
 * enrolled anew since, or removed a passkey, be it that one or another.
 */
export async function isHisWord(
  db: Db,
  { id, created_at, person_id }: ApprovalRow,
  { id: person, passkeys_after }: Pick<PersonRow, 'id' | 'passkeys_after'>,
): Promise<boolean> {
  if (person_id !== person || created_at < passkeys_after) return false;
  const removed = await db
    .selectFrom('entries')
    .select('sequence')
    .where('actor', '=', person)
    .where('action', '=', 'passkey.removed')
    .where('sequence', '>', (eb) => eb.selectFrom('row_heads').select('row_heads.sequence').where('row_id', '=', id))
    .limit(1)
    .executeTakeFirst();
  return removed === undefined;
}

/**
 * People whom any of these made, let enrol anew, or gave a role since then, or who did that to them. An invitation counts
 * from when it was used, too: it may lie for days.
 */
export async function linkedWith(db: Db, people: readonly string[], sinceMs: number): Promise<string[]> {
  if (people.length === 0) return [];
  const invited = await db
    .selectFrom('invitations')
    .innerJoin('people', 'people.id', 'invitations.person_id')
    .select(['invitations.person_id as one', 'invitations.invited_by as other'])
    .where((eb) => eb.or([eb('person_id', 'in', [...people]), eb('invited_by', 'in', [...people])]))
    .where((eb) =>
      eb.or([
        eb('invitations.created_at', '>', sinceMs),
        eb.and([eb('invitations.state', '=', 'used'), eb('people.passkeys_after', '>', sinceMs)]),
      ]),
    )
    .execute();
  const raised = await db
    .selectFrom('role_grants')
    .select(['person_id as one', 'granted_by as other'])
    .where((eb) => eb.or([eb('person_id', 'in', [...people]), eb('granted_by', 'in', [...people])]))
    .where('created_at', '>', sinceMs)
    .execute();
  // Who saved a provider could be anybody whom it lets in; its id stands between him and those it gave a role.
  const trusted = await db
    .selectFrom('sign_ons')
    .select(['id as one', 'saved_by as other'])
    .where((eb) => eb.or([eb('id', 'in', [...people]), eb('saved_by', 'in', [...people])]))
    .execute();
  return [...new Set([...invited, ...raised, ...trusted].flatMap(({ one, other }) => [one, other]))];
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

/**
 * Whether somebody else is an owner of the installation, or was until a moment ago: whoever suspends the other owner is
 * not the only one by that.
 */
export async function hadOtherOwner(db: Db, person: string, nowMs: number): Promise<boolean> {
  const grants = await db
    .selectFrom('role_grants')
    .innerJoin('people', 'people.id', 'role_grants.person_id')
    .select(['role_grants.id', 'role_grants.person_id', 'role_grants.state', 'role_grants.expires_at'])
    .select('people.state as person_state')
    .where('role_grants.role', '=', 'owner')
    .where('role_grants.project_id', 'is', null)
    .where('role_grants.environment_id', 'is', null)
    .where('people.id', '!=', person)
    .execute();
  const isThere = grants.some(
    ({ state, expires_at, person_state }) =>
      state === 'active' && (expires_at === null || nowMs < expires_at) && /^(active|suspended)$/.test(person_state),
  );
  if (isThere || grants.length === 0) return isThere;
  const ended = await db
    .selectFrom('entries')
    .select('sequence')
    .where(
      'subject',
      'in',
      grants.flatMap(({ id, person_id }) => [id, person_id]),
    )
    // Of whoever still has it another role may have ended; a role is named by its own id in entries of before.
    .where(({ or, and, eb }) =>
      or([
        eb('action', 'in', ['person.suspended', 'person.removed']),
        and([eb('action', '=', 'role.ended'), or([eb('subject', 'like', 'role%'), saysCode('owner')])]),
      ]),
    )
    .where('at', '>', nowMs - BARRED_MS)
    .limit(1)
    .executeTakeFirst();
  if (ended !== undefined) return true;
  // A log that was pruned does not say.
  const oldest = await oldestEntry(db);
  return oldest !== undefined && Number(oldest.sequence) > 1 && Number(oldest.at) > nowMs - BARRED_MS;
}
