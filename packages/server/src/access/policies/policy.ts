import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Action } from '../authorise.ts';
import type { PolicyRow } from '../../database/people-rows.ts';
import { parsePolicy, type PolicyJson, type Uid } from './cedar.ts';
import { ACTION_GROUPS, GOVERNED, TIGHTENING } from './vocabulary.ts';

/** Policies that there may be: what is asked often is to stay quick, and what nobody can read is no rule. */
export const MAX_POLICIES = 1_000;

/** What a policy's scope says: whom, what and where it can concern. */
export interface Policy {
  readonly id: string;
  readonly text: string;
  readonly effect: 'permit' | 'forbid';
  readonly actions: readonly Action[];
  /** Slug of the one project in which alone it can apply; null: it is of the installation. */
  readonly project: string | null;
  readonly principal: Constraint;
  readonly resource: Constraint;
  /** Everything that it names, in its conditions too. */
  readonly names: readonly Uid[];
  /** What its conditions look at. */
  readonly minds: { readonly approvals: boolean; readonly circumstances: boolean; readonly principal: boolean };
}

/** Who or where: of a type, the very one, or one in it; without any, whoever. */
export interface Constraint {
  readonly type?: string;
  readonly is?: Uid;
  readonly in?: Uid;
}

/** Reads what the ledger recorded. @throws when it does not parse: only what parsed was ever saved. */
export function readPolicy({ id, text }: Pick<PolicyRow, 'id' | 'text'>): Policy {
  const json = parsePolicy(text);
  if ('wrong' in json) throw new Error(`policy ${id} does not parse: ${json.wrong}`);
  const resource = readConstraint(json.resource);
  const said = JSON.stringify(json);
  return {
    ...{ id, text, effect: json.effect, actions: readActions(json), project: projectOf(resource) },
    ...{ principal: readConstraint(json.principal), resource, names: namesIn(json) },
    minds: {
      approvals: said.includes('"attr":"approvals"'),
      principal: said.includes('"Var":"principal"'),
      circumstances: said.includes('"attr":"network"') || said.includes('"attr":"at"'),
    },
  };
}

/** The same; undefined where somebody made something else of it. */
export function tryReadPolicy(row: Pick<PolicyRow, 'id' | 'text'>): Policy | undefined {
  try {
    return readPolicy(row);
  } catch {
    return undefined;
  }
}

type ScopePart = PolicyJson['principal'] | PolicyJson['resource'];

function readConstraint(part: ScopePart): Constraint {
  if (part.op === 'All') return {};
  if (part.op === 'is') {
    const within = part.in !== undefined && 'entity' in part.in ? { in: uidOf(part.in.entity) } : {};
    return { type: part.entity_type, ...within };
  }
  const named = 'entity' in part ? uidOf(part.entity) : null;
  if (named === null) return {};
  return part.op === '==' ? { is: named } : { in: named };
}

type GivenUid = Uid | { readonly __entity: Uid };

function uidOf(given: GivenUid): Uid {
  return '__entity' in given ? given.__entity : given;
}

function readActions({ effect, action: part }: PolicyJson): readonly Action[] {
  const possible = effect === 'permit' ? GOVERNED : GOVERNED.filter((action) => !TIGHTENING.includes(action));
  if (part.op === 'All') return possible;
  const given: readonly GivenUid[] = 'entities' in part ? part.entities : 'entity' in part ? [part.entity] : [];
  const named = new Set<string>(given.flatMap((one) => [...(ACTION_GROUPS.get(uidOf(one).id) ?? [uidOf(one).id])]));
  return possible.filter((action) => named.has(action));
}

/** Resources' ids begin with their project's slug. */
function projectOf({ is, in: within }: Constraint): string | null {
  const named = is ?? within;
  if (named === undefined || named.type === 'Installation') return null;
  return named.id.split('/')[0] ?? null;
}

function namesIn(json: unknown): readonly Uid[] {
  if (typeof json !== 'object' || json === null) return [];
  const { type, id } = json as Partial<Uid>;
  const own = typeof type === 'string' && typeof id === 'string' ? [{ type, id }] : [];
  return [...own, ...Object.values(json).flatMap(namesIn)];
}

/** Whom it permits something: a person, a service or a workload by id; of a forbid whomever it names, if anybody. */
export function whomIt({ principal }: Pick<Policy, 'principal'>): Uid | undefined {
  return principal.is ?? principal.in;
}

/** Who asks, as far as the scope of a policy can tell. */
export interface Asker {
  readonly uid: Uid;
  /** What he holds, or comes from. */
  readonly parents: readonly Uid[];
}

/** False where the policy's scope says that it is not about him. */
export function isAbout({ principal }: Pick<Policy, 'principal'>, { uid, parents }: Asker): boolean {
  const { type, is, in: within } = principal;
  if (type !== undefined && type !== uid.type) return false;
  if (is !== undefined) return isSame(is, uid);
  return within === undefined || isSame(within, uid) || parents.some((parent) => isSame(within, parent));
}

/** Whether it is about him, and not about everybody: in its conditions too, as far as anybody can tell. */
export function isAimedAt(policy: Policy, asker: Asker): boolean {
  return isAbout(policy, asker) && (Object.keys(policy.principal).length > 0 || policy.minds.principal);
}

/**
 * Whether it names one service (or one workload), and where: a place, of secrets a path. What services do without a
 * person's confirmation is granted so and not otherwise (DESIGN §5).
 */
export function namesServiceAndPlace({ effect, principal, resource }: Policy, action: Action): boolean {
  const who = whomIt({ principal });
  const where = resource.is ?? resource.in;
  if (effect !== 'permit' || who === undefined || where === undefined) return false;
  if (who.type !== 'Service' && who.type !== 'Workload') return false;
  if (action === 'secrets.reveal') return where.type === 'Folder' || where.type === 'Secret';
  return where.type !== 'Installation' || resource.is !== undefined;
}

function isSame(one: Uid, other: Uid): boolean {
  return one.type === other.type && one.id === other.id;
}

export function noPolicy(id: string): Refusal {
  return refuse('POLICY_NOT_FOUND', `There is no policy ${id}.`, 'id');
}
