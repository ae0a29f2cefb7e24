import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { SCHEMA } from './vocabulary.ts';

/** A thing that policies speak of: Cedar's entity uid. */
export interface Uid {
  readonly type: string;
  readonly id: string;
}

export interface Entity {
  readonly uid: Uid;
  readonly attrs: Readonly<Record<string, string | boolean>>;
  readonly parents: readonly Uid[];
}

export type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** What is asked of Cedar. */
export interface CedarRequest {
  readonly principal: Uid;
  readonly action: string;
  readonly resource: Uid;
  readonly context: {
    /** IPv4 or IPv6. */
    readonly network: string;
    /** RFC 3339. */
    readonly at: string;
    readonly production: boolean;
    readonly approvals: number;
  };
  readonly entities: readonly Entity[];
}

/** What Cedar says: denied with policies where one forbids, without where none permits. */
export interface CedarAnswer {
  readonly allowed: boolean;
  /** Ids of the policies that made it so, in order. */
  readonly policies: readonly string[];
  /** Ids of policies that could not be evaluated. */
  readonly failed: readonly string[];
}

/** A policy is no policy, and why. */
export interface Wrong {
  readonly wrong: string;
}

/** Reads one policy into Cedar's JSON form. */
export function parsePolicy(text: string): cedar.PolicyJson | Wrong {
  const answer = cedar.policyToJson(text);
  return answer.type === 'success' ? answer.json : { wrong: explain(answer.errors) };
}

/**
 * Brackets of one policy, all together: Cedar's parser goes down by one for each that is open, and leaves its memory
 * broken where it runs out of stack (150 of them do that; a policy's length bounds what else it goes down by).
 */
const MAX_BRACKETS = 60;

/** What is wrong with a policy against the schema, or null. One that can never apply is wrong too. */
export function validatePolicy(text: string): string | null {
  if ((text.match(/[([{]/g)?.length ?? 0) > MAX_BRACKETS) return `it has more than ${MAX_BRACKETS} brackets`;
  const answer = cedar.validate({ schema: SCHEMA, policies: { staticPolicies: { policy: text } } });
  if (answer.type === 'failure') return explain(answer.errors);
  const [first] = [...answer.validationErrors, ...answer.validationWarnings];
  return first === undefined ? null : explain([first.error]).replaceAll('policy `policy`', 'this policy');
}

/** A policy that permits somebody something at a place, as text: whatever the names are, they stay names. */
export function permitText(whom: Uid, action: string, where: Uid): string {
  const answer = cedar.policyToText({
    effect: 'permit',
    principal: whom.type === 'Workload' ? within(whom) : just(whom),
    action: just({ type: 'Action', id: action }),
    resource: where.type === 'Environment' || where.type === 'Project' ? within(where) : just(where),
    conditions: [],
  });
  return answer.type === 'success' ? answer.text.replace(/\s+/g, ' ').trim() : '';
}

const just = (entity: Uid) => ({ op: '==' as const, entity });
const within = (entity: Uid) => ({ op: 'in' as const, entity });

/** Keeps a set of policies under a name, parsed; another of that name is gone. */
export function prepare(name: string, policies: Readonly<Record<string, string>>): void {
  const answer = cedar.preparsePolicySet(name, { staticPolicies: policies });
  if (answer.type === 'failure') throw new Error(`policies that were checked do not parse: ${explain(answer.errors)}`);
}

/** Asks the set of that name. A request that Cedar can't take is denied. */
export function judge(name: string, { principal, action, resource, context, entities }: CedarRequest): CedarAnswer {
  const answer = cedar.statefulIsAuthorized({
    ...{ principal, resource, preparsedPolicySetId: name, entities: entities as cedar.EntityJson[] },
    action: { type: 'Action', id: action },
    context: {
      network: { __extn: { fn: 'ip', arg: context.network } },
      at: { __extn: { fn: 'datetime', arg: context.at } },
      production: context.production,
      approvals: context.approvals,
    },
  });
  if (answer.type === 'failure') return { allowed: false, policies: [], failed: ['request'] };
  const { decision, diagnostics } = answer.response;
  const failed = diagnostics.errors.map(({ policyId }) => policyId).sort();
  return { allowed: decision === 'allow', policies: [...diagnostics.reason].sort(), failed };
}

function explain(errors: readonly cedar.DetailedError[]): string {
  const [first] = errors;
  if (first === undefined) return 'It is no policy.';
  return first.help === null ? first.message : `${first.message} (${first.help})`;
}
