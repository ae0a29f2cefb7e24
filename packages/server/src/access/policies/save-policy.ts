import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { SCOPES } from '@keyhold/protocol/state';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Kysely } from 'kysely';
import type { PolicyRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { attributionWith, type Caller, type ChangeContext } from '../change-context.ts';
import { findCustomRole } from '../custom-roles.store.ts';
import { isBuiltIn } from '../opener.ts';
import { withdrawInvitations } from '../people/invite-person.ts';
import type { Principal, Resource } from '../principal.ts';
import { covers, INSTALLATION } from '../principal.ts';
import { asksMore } from './asks-more.ts';
import { type Uid, validatePolicy } from './cedar.ts';
import { askerOf, type PolicyPlaces } from './entities.ts';
import { basisOf, countPolicies, findPolicyNamed } from './policies.store.ts';
import { isAimedAt, MAX_POLICIES, type Policy, readPolicy, whomIt } from './policy.ts';

export interface PolicyContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly places: PolicyPlaces;
  readonly tampered: (rowId: string) => void;
}

export interface PolicyInput {
  readonly name: string;
  readonly text: string;
  readonly reason: string;
  readonly basis: string;
}

export const BASIS_GONE = refuse('POLICIES_CHANGED', 'They have changed since the preview: look again.', 'basis');

/** Saves a policy, new or in place of what it was. In force once it is answered. */
export async function savePolicy(
  context: PolicyContext,
  caller: Caller,
  { name, text, reason, basis }: PolicyInput,
): Promise<Recorded<PolicyRow> | Refusal> {
  const { ledger, reader, random, clock } = context;
  const before = await findPolicyNamed(reader, name);
  const id = before?.id ?? random.newId('policy');
  const by = attributionWith(caller, { name, text, reason });
  const draft = { ...by, action: 'policy.saved', subject: id, locks: [id] };
  const permitted = whomPermitted(text);
  return await ledger.record(draft, async (facts) => {
    if ((await basisOf(facts.db)) !== basis) return BASIS_GONE;
    const saved = { text, reason, saved_by: caller.principal.id, saved_at: clock.wall() };
    // Who may still enrol as him could else wait until he is more.
    if (permitted !== undefined) await withdrawInvitations(facts, permitted);
    if (before !== undefined) {
      const row = await facts.find('policies', id);
      return row === undefined ? BASIS_GONE : await facts.update('policies', row, saved);
    }
    if ((await countPolicies(facts.db)) >= MAX_POLICIES)
      return refuse('INVALID_INPUT', `${MAX_POLICIES} policies are the most: remove one first.`);
    return await facts.insert('policies', { id, name, created_at: saved.saved_at, ...saved });
  });
}

function whomPermitted(text: string): string | undefined {
  const policy = readPolicy({ id: '', text });
  const whom = whomIt(policy);
  return policy.effect === 'permit' && whom?.type === 'Person' ? whom.id : undefined;
}

/**
 * Reads the text of a policy that is to be saved, or says what is wrong with it: it has to fit the schema, and to be able
 * to apply.
 */
export function checkPolicy(text: string): Policy | Refusal {
  const wrong = validatePolicy(text);
  if (wrong !== null) return refuse('INVALID_INPUT', wrong, '/text');
  const policy = readPolicy({ id: 'new', text });
  if (policy.actions.length === 0)
    return refuse(
      'INVALID_INPUT',
      'Taking away can be forbidden to nobody: this policy would forbid nothing.',
      '/text',
    );
  const whom = whomIt(policy);
  const isOne = policy.principal.is !== undefined || policy.principal.in?.type === 'Workload';
  if (policy.effect === 'permit' && (whom === undefined || !isOne)) {
    const how = 'principal == Person::"…" or Service::"…", or principal in Workload::"…"';
    const instead = 'What several are to have is a role, which is granted and has an end.';
    return refuse('INVALID_INPUT', `A policy permits to one, by id: ${how}. ${instead}`, '/text');
  }
  return policy;
}

/**
 * That a policy names only what there is: a slip in a name would make it say nothing, without anybody noticing. Of paths
 * anything can be named: what is stored there may come later. A policy of a project names nothing of others.
 */
export async function refuseUnknownNames(
  { reader, places }: Pick<PolicyContext, 'reader' | 'places'>,
  policy: Policy,
): Promise<Refusal | null> {
  for (const uid of policy.names) {
    const isElsewhere = policy.project !== null && PLACES.has(uid.type) && uid.id.split('/')[0] !== policy.project;
    if (isElsewhere || !(await isKnown(reader, places, uid)))
      return refuse('INVALID_INPUT', `There is no ${uid.type}::${JSON.stringify(uid.id)}.`, '/text');
  }
  return null;
}

const PLACES: ReadonlySet<string> = new Set(['Project', 'Environment', 'Folder', 'Secret']);

const TABLES = { Person: 'people', Service: 'tokens', Workload: 'workloads' } as const;

async function isKnown(reader: Kysely<Database>, places: PolicyPlaces, { type, id }: Uid): Promise<boolean> {
  const [project = '', environment = '', ...path] = id.split('/');
  switch (type) {
    case 'Installation':
      return id === 'here';
    case 'Project':
      return places.projectNamed(id) !== undefined;
    case 'Environment':
      return places.environmentNamed(id) !== undefined;
    case 'Folder':
    case 'Secret':
      return (
        path.length > 0 && !path.includes('') && places.environmentNamed(`${project}/${environment}`) !== undefined
      );
    case 'Role':
      return isBuiltIn(id) || (await findCustomRole(reader, id)) !== undefined;
    case 'Scope':
      return (SCOPES as readonly string[]).includes(id);
    case 'Person':
    case 'Service':
    case 'Workload': {
      const isAppRole = type === 'Workload' && id.startsWith(`${ID_PREFIXES.appRole}_`);
      const table = isAppRole ? 'app_roles' : TABLES[type];
      const found = await reader
        .selectFrom(table as 'tokens')
        .select('id')
        .where('id', '=', id)
        .executeTakeFirst();
      return found !== undefined;
    }
    default:
      return true;
  }
}

/** Where a policy is of: whoever owns that may change it. */
export function placeOf(places: PolicyPlaces, policy: Pick<Policy, 'project'> | undefined): Resource {
  const id = policy?.project == null ? undefined : places.projectNamed(policy.project);
  return id === undefined ? INSTALLATION : { project: id, environment: null };
}

/** A policy that is to be saved or removed. */
export interface PolicyChange {
  readonly before: Policy | undefined;
  readonly after: Policy | undefined;
}

/** True where it may let somebody do more than before. */
export function isWidening({ before, after }: PolicyChange): boolean {
  if (after?.effect === 'permit') return true;
  return before?.effect === 'forbid' && !(after !== undefined && asksMore(before.text, after.text));
}

/** An owner of the place whose right has no end. */
export function ownsForGood({ grants }: Principal, at: Resource): boolean {
  return grants.some((grant) => grant.opener === 'owner' && grant.expiresAt === null && covers(grant, at));
}

/**
 * What a policy permits lasts: only who owns the place for good lets others do more there than before. Whom a policy of
 * the installation forbids something does not permit it, in a project that he owns, to somebody whom he could be; nor
 * does he take away what is aimed at himself.
 */
export function refuseWidening(principal: Principal, at: Resource, change: PolicyChange): Refusal | null {
  if (!ownsForGood(principal, at))
    return refuse('FORBIDDEN', "What lets others do more is an owner's whose right has no end.");
  if (ownsForGood(principal, INSTALLATION)) return null;
  const { before, after } = change;
  if (before?.effect === 'forbid' && isAimedAt(before, askerOf(principal, null)))
    return refuse('FORBIDDEN', 'This policy is about you: an owner of the installation changes it.');
  if (after?.effect !== 'permit') return null;
  const barred = after.actions.find((action) => principal.judge.mayForbid(principal, action, at));
  return barred === undefined ? null : refuse('FORBIDDEN', `A policy can forbid you ${barred} there.`, '/text');
}
