import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import { parsePolicy } from './cedar.ts';
import { MAX_APPROVALS } from './policy-book.ts';

/**
 * Whether one forbid is another with higher numbers of approvals, and nothing else: what it let nobody do before it lets
 * nobody do now. In doubt it is not.
 * @param before, after texts of policies
 */
export function asksMore(before: string, after: string): boolean {
  const [had, has] = [parsePolicy(before), parsePolicy(after)];
  if ('wrong' in had || 'wrong' in has || had.effect !== 'forbid') return false;
  const [{ conditions: first, ...scope }, { conditions: second, ...other }] = [had, has];
  if (!isSame(scope, other) || first.length !== second.length) return false;
  return first.every((condition, i) => {
    const now = second[i];
    if (isSame(condition, now)) return true;
    return condition.kind === 'unless' && now?.kind === 'unless' && isHigher(condition.body, now.body);
  });
}

/** INVARIANT: nothing stands around the numbers but `&&` and `||`: below a `!` a higher one would let more through. */
function isHigher(before: unknown, after: unknown): boolean {
  if (isSame(before, after)) return true;
  const [had, has] = [branchesOf(before), branchesOf(after)];
  if (had !== null && has !== null && had.op === has.op) {
    return isHigher(had.left, has.left) && isHigher(had.right, has.right);
  }
  const [least, now] = [leastOf(before), leastOf(after)];
  // More than can be counted forbids for good, and no break-glass helps.
  return least !== null && now !== null && now >= least && now <= MAX_APPROVALS;
}

interface Branches {
  readonly op: string;
  readonly left: unknown;
  readonly right: unknown;
}

function branchesOf(expression: unknown): Branches | null {
  const [op, sides] = onlyPart(expression);
  if (op !== '&&' && op !== '||') return null;
  const { left, right } = sides as { left: unknown; right: unknown };
  return { op, left, right };
}

const APPROVALS = { '.': { left: { Var: 'context' }, attr: 'approvals' } };

/** Of `context.approvals >= 2` the 2, or null. */
function leastOf(expression: unknown): number | null {
  const [op, sides] = onlyPart(expression);
  if (op !== '>=') return null;
  const { left, right } = sides as { left: unknown; right: { readonly Value?: unknown } };
  return isSame(left, APPROVALS) && typeof right.Value === 'number' ? right.Value : null;
}

function onlyPart(expression: unknown): readonly [string | undefined, unknown] {
  const parts = typeof expression === 'object' && expression !== null ? Object.entries(expression) : [];
  return parts.length === 1 ? (parts[0] as [string, unknown]) : [undefined, undefined];
}

/** Cedar's JSON, whatever order its names come in. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && canonicalJson(a as Json) === canonicalJson(b as Json));
}
