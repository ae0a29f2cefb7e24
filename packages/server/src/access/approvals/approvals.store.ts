import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Kysely } from 'kysely';
import type { ApprovalRequestRow, ApprovalRow, PersonRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
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

/** Who is linked with somebody, by ids of people and of providers. */
export interface Links {
  readonly people: readonly string[];
  /** By what a provider gave again today, as it had before: those who came to work. */
  readonly renewed: readonly string[];
}

/**
 * Whom any of these made, let enrol anew, or gave a role since then, or who did that to them. An invitation counts from
 * when it was used, too: it may lie for days.
 */
export async function linkedWith(db: Db, people: readonly string[], sinceMs: number): Promise<Links> {
  if (people.length === 0) return { people: [], renewed: [] };
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
  const raised = await givenSince(db, people, sinceMs);
  // Who saved a provider could be anybody whom it lets in; its id stands between him and those it gave a role.
  const trusted = await db
    .selectFrom('sign_ons')
    .select(['id as one', 'saved_by as other'])
    .where((eb) => eb.or([eb('id', 'in', [...people]), eb('saved_by', 'in', [...people])]))
    .execute();
  const ids = (links: readonly { one: string; other: string }[]) => [
    ...new Set(links.flatMap(({ one, other }) => [one, other])),
  ];
  const first = raised.filter(({ isRenewed }) => !isRenewed);
  return { people: ids([...invited, ...first, ...trusted]), renewed: ids(raised.filter((one) => one.isRenewed)) };
}

/**
 * Roles that any of these gave or got since then. A provider renews one that it gave the same person before; but not
 * where he could confirm nothing until today: whoever is that provider may be who made his first passkey.
 */
async function givenSince(
  db: Db,
  people: readonly string[],
  sinceMs: number,
): Promise<{ one: string; other: string; isRenewed: boolean }[]> {
  const given = await db
    .selectFrom('role_grants as given')
    .leftJoin('people', 'people.id', 'given.person_id')
    .select(['given.person_id as one', 'given.granted_by as other', 'people.passkeys_after as since'])
    .select(({ selectFrom, ref }) =>
      selectFrom('role_grants as older')
        .select(({ fn }) => fn.min('older.id').as('id'))
        .whereRef('older.person_id', '=', 'given.person_id')
        .whereRef('older.granted_by', '=', 'given.granted_by')
        .whereRef('older.role', '=', 'given.role')
        .where('older.project_id', 'is not distinct from', ref('given.project_id'))
        .where('older.environment_id', 'is not distinct from', ref('given.environment_id'))
        .where('older.created_at', '<=', sinceMs)
        .as('older'),
    )
    .where((eb) => eb.or([eb('given.person_id', 'in', [...people]), eb('given.granted_by', 'in', [...people])]))
    .where('given.created_at', '>', sinceMs)
    .execute();
  // Else somebody could write past the ledger that he was there long ago.
  const older = given.flatMap((one) => one.older ?? []);
  const sound = new Set<string>();
  for (const one of await readCheckedRows(db, ['role_grants'], older)) if ('row' in one) sound.add(one.row.id);
  return given.map(({ one, other, since, older: id }) => {
    const isAsBefore = id !== null && sound.has(id) && since !== null && since <= sinceMs;
    return { one, other, isRenewed: isAsBefore && other.startsWith(`${ID_PREFIXES.signOn}_`) };
  });
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
