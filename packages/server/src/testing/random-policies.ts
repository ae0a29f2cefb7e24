import { BlockList, isIPv4 } from 'node:net';
import type { Action } from '../access/authorise.ts';
import { ACTION_GROUPS, TIGHTENING } from '../access/policies/vocabulary.ts';
import type { Circumstances } from '../access/policies/policy-book.ts';
import type { Uid } from '../access/policies/cedar.ts';

/**
 * Random policies as data, their text, and a second evaluator of that data, written from Cedar's documentation without
 * Cedar: slow, plain, and for the subset that is generated.
 */
export interface RandomPolicy {
  readonly effect: 'permit' | 'forbid';
  readonly principal: RandomScope;
  /** Names of actions or groups; none: every action. */
  readonly actions: readonly string[];
  readonly resource: RandomScope;
  readonly when: readonly { readonly kind: 'when' | 'unless'; readonly body: Condition }[];
}

export interface RandomScope {
  readonly type?: string;
  readonly op?: '==' | 'in';
  readonly uid?: Uid;
}

export type Condition =
  | { readonly is: 'production' }
  | { readonly is: 'approvals'; readonly atLeast: number }
  | { readonly is: 'range'; readonly network: string; readonly bits: number }
  | { readonly is: 'before'; readonly at: string }
  | { readonly is: 'principal' | 'resource'; readonly within: Uid }
  | { readonly is: 'not'; readonly of: Condition }
  | { readonly is: 'and' | 'or'; readonly left: Condition; readonly right: Condition };

/** What is asked, as the evaluator sees it: each entity with all that it lies in, itself first. */
export interface PlainRequest {
  readonly principal: readonly Uid[];
  readonly action: Action;
  readonly resource: readonly Uid[];
  readonly production: boolean;
  readonly circumstances: Circumstances;
}

export type PlainAnswer = 'forbid' | 'permit' | null;

/** What policies say: forbid wins over permit; null: nothing. */
export function evaluatePlainly(policies: readonly RandomPolicy[], request: PlainRequest): PlainAnswer {
  const applying = policies.filter((policy) => applies(policy, request));
  // Taking away is forbidden to nobody.
  const forbids = !TIGHTENING.includes(request.action) && applying.some(({ effect }) => effect === 'forbid');
  if (forbids) return 'forbid';
  return applying.some(({ effect }) => effect === 'permit') ? 'permit' : null;
}

function applies({ principal, actions, resource, when }: RandomPolicy, request: PlainRequest): boolean {
  const named = actions.some((name) => name === request.action || ACTION_GROUPS.get(name)?.includes(request.action));
  if (actions.length > 0 && !named) return false;
  if (!isInScope(principal, request.principal) || !isInScope(resource, request.resource)) return false;
  return when.every(({ kind, body }) => holds(body, request) === (kind === 'when'));
}

function isInScope({ type, op, uid }: RandomScope, [self, ...around]: readonly Uid[]): boolean {
  if (self === undefined || (type !== undefined && self.type !== type)) return false;
  if (uid === undefined) return true;
  return isSame(self, uid) || (op === 'in' && around.some((one) => isSame(one, uid)));
}

function isSame(one: Uid, other: Uid): boolean {
  return one.type === other.type && one.id === other.id;
}

function holds(condition: Condition, request: PlainRequest): boolean {
  const { network, atMs, approvals } = request.circumstances;
  switch (condition.is) {
    case 'production':
      return request.production;
    case 'approvals':
      return approvals >= condition.atLeast;
    case 'range': {
      const range = new BlockList();
      range.addSubnet(condition.network, condition.bits, 'ipv4');
      return isIPv4(network) && range.check(network);
    }
    case 'before':
      return atMs < Date.parse(condition.at);
    case 'principal':
      return request.principal.some((one) => isSame(one, condition.within));
    case 'resource':
      return request.resource.some((one) => isSame(one, condition.within));
    case 'not':
      return !holds(condition.of, request);
    case 'and':
      return holds(condition.left, request) && holds(condition.right, request);
    case 'or':
      return holds(condition.left, request) || holds(condition.right, request);
  }
}

/** As Cedar reads it. */
export function textOf({ effect, principal, actions, resource, when }: RandomPolicy): string {
  const action =
    actions.length === 0 ? 'action' : `action in [${actions.map((name) => `Action::"${name}"`).join(', ')}]`;
  const conditions = when.map(({ kind, body }) => `${kind} { ${conditionText(body)} }`).join(' ');
  const scope = `${scopeText('principal', principal)}, ${action}, ${scopeText('resource', resource)}`;
  return `${effect}(${scope}) ${conditions};`;
}

function scopeText(name: string, { type, op, uid }: RandomScope): string {
  const is = type === undefined ? '' : ` is ${type}`;
  return uid === undefined ? `${name}${is}` : `${name}${is} ${op} ${uidText(uid)}`;
}

function uidText({ type, id }: Uid): string {
  return `${type}::${JSON.stringify(id)}`;
}

function conditionText(condition: Condition): string {
  switch (condition.is) {
    case 'production':
      return 'context.production';
    case 'approvals':
      return `context.approvals >= ${condition.atLeast}`;
    case 'range':
      return `context.network.isInRange(ip("${condition.network}/${condition.bits}"))`;
    case 'before':
      return `context.at < datetime("${condition.at}")`;
    case 'principal':
    case 'resource':
      return `${condition.is} in ${uidText(condition.within)}`;
    case 'not':
      return `!(${conditionText(condition.of)})`;
    case 'and':
      return `(${conditionText(condition.left)} && ${conditionText(condition.right)})`;
    case 'or':
      return `(${conditionText(condition.left)} || ${conditionText(condition.right)})`;
  }
}

/** What policies may name. */
export interface Nameable {
  readonly principals: readonly Uid[];
  readonly parents: readonly Uid[];
  readonly resources: readonly Uid[];
  readonly actions: readonly Action[];
}

type Dice = () => number;

export function randomPolicy(dice: Dice, names: Nameable): RandomPolicy {
  const actions = Array.from({ length: Math.floor(dice() * 4) }, () =>
    dice() < 0.3 ? pick(dice, [...ACTION_GROUPS.keys()]) : pick(dice, names.actions),
  );
  const clauses = Array.from({ length: Math.floor(dice() * 3) }, () => ({
    kind: dice() < 0.5 ? ('when' as const) : ('unless' as const),
    body: randomCondition(dice, names, 2),
  }));
  return {
    effect: dice() < 0.5 ? 'permit' : 'forbid',
    principal: randomScope(dice, ['Person', 'Service'], names.principals, names.parents),
    actions,
    resource: randomScope(dice, ['Secret', 'Environment', 'Project'], names.resources, names.resources),
    when: clauses,
  };
}

/** `is T == x` is no Cedar: only `is T in x`. */
function randomScope(dice: Dice, types: readonly string[], same: readonly Uid[], around: readonly Uid[]): RandomScope {
  const roll = dice();
  if (roll < 0.3) return {};
  if (roll < 0.4) return { type: pick(dice, types) };
  if (roll < 0.6) return { op: '==', uid: pick(dice, same) };
  const within = { op: 'in' as const, uid: pick(dice, around) };
  return roll < 0.7 ? { type: pick(dice, types), ...within } : within;
}

function randomCondition(dice: Dice, names: Nameable, depth: number): Condition {
  const roll = dice();
  if (depth > 0 && roll < 0.35) {
    const [left, right] = [randomCondition(dice, names, depth - 1), randomCondition(dice, names, depth - 1)];
    return roll < 0.1 ? { is: 'not', of: left } : { is: roll < 0.22 ? 'and' : 'or', left, right };
  }
  const leaves: readonly (() => Condition)[] = [
    () => ({ is: 'production' }),
    () => ({ is: 'approvals', atLeast: Math.floor(dice() * 4) }),
    () => ({
      is: 'range',
      network: pick(dice, ['10.0.0.0', '192.0.2.0', '0.0.0.0']),
      bits: pick(dice, [0, 8, 24, 30]),
    }),
    () => ({ is: 'before', at: pick(dice, ['2026-01-01', '2026-06-01', '2027-01-01']) }),
    () => ({ is: 'principal', within: pick(dice, [...names.principals, ...names.parents]) }),
    () => ({ is: 'resource', within: pick(dice, names.resources) }),
  ];
  return pick(dice, leaves)();
}

export function pick<T>(dice: Dice, from: readonly T[]): T {
  return from[Math.floor(dice() * from.length)] as T;
}
