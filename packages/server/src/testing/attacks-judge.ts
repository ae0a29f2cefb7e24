import { type ErrorCode, ERRORS } from '@keyhold/protocol/errors';
import type { Operation } from '@keyhold/protocol/operation';
import { Compile } from 'typebox/compile';
import type { Attack } from './attacks.ts';
import type { AttackElsewhere, Form } from './attacks-elsewhere.ts';
import type { WireAnswer, WireSilence } from './attacks-wire.ts';

/** What no answer may show: a stack, a file, a statement. */
const INSIDES = /\n\s+at |node_modules|\.ts:\d|file:\/\/|\/packages\/|SQLITE_|syntax error at or near/;

const OF_WHOLE_BODY = ['BODY_TOO_LARGE', 'INVALID_JSON'];

const answersOf = new Map<string, ReturnType<typeof Compile>>();

/** What is wrong with the answer to a hostile request, or null. */
export function flawOf({ operation, certain, method }: Attack, answer: WireAnswer | WireSilence): string | null {
  if (typeof answer === 'string') return `no answer: ${answer}`;
  const { status, body } = answer;
  if (status >= 500) return `answered ${status}: ${body.slice(0, 300)}`;
  if (INSIDES.test(body)) return `shows its insides: ${body.slice(0, 500)}`;
  if (method === 'HEAD') return null;
  if (status >= 400) return flawOfProblem(answer);
  if (certain) return `accepted with ${status}: ${body.slice(0, 200)}`;
  // Another method may lead to another operation, whose answers are judged where it is attacked itself.
  if (method !== operation.method) return null;
  if (status !== operation.status && !(operation.idempotent === true && status === 200)) return `answered ${status}`;
  return flawOfSuccess(operation, body);
}

type Said = Readonly<Record<string, unknown>>;

const isText = (value: unknown) => typeof value === 'string' && value !== '';
/** Of the refusals of others' wires; our own problems stand beside all of them, for what never came to a handler. */
const FORMS: Readonly<Record<Form, (said: Said, status: number) => boolean>> = {
  problem: () => false,
  // nginx is told 403 for whatever else its client is to be answered.
  verdict: ({ code, detail, status }, answered) =>
    isText(code) && isText(detail) && (status === answered || answered === 403),
  scim: ({ schemas, status, detail }, answered) =>
    JSON.stringify(schemas) === '["urn:ietf:params:scim:api:messages:2.0:Error"]' &&
    status === `${answered}` &&
    isText(detail),
  vault: ({ errors }) => Array.isArray(errors) && errors.every(isText),
  oauth: ({ error, error_description: detail }) => isText(error) && isText(detail),
};

/** What is wrong with the answer of a route that is no operation, or null. */
export function flawElsewhere({ method, form }: AttackElsewhere, answer: WireAnswer | WireSilence): string | null {
  if (typeof answer === 'string') return `no answer: ${answer}`;
  const { status, body } = answer;
  if (status >= 500) return `answered ${status}: ${body.slice(0, 300)}`;
  if (status < 400 || method === 'HEAD') return null;
  if (INSIDES.test(body)) return `shows its insides: ${body.slice(0, 500)}`;
  const said = parse(body);
  if (typeof said === 'object' && said !== null && FORMS[form](said as Said, status)) return null;
  return flawOfProblem(answer);
}

/** What is wrong with a 4xx: RFC 9457, a code of the registry, and for bad input the field. */
export function flawOfProblem({ status, headers, body }: WireAnswer): string | null {
  if (!(headers.get('content-type') ?? '').startsWith('application/problem+json')) {
    return `${status} is not a problem: ${headers.get('content-type') ?? 'no content type'} ${body.slice(0, 100)}`;
  }
  const problem = parse(body) as Record<string, unknown> | undefined;
  if (problem === undefined) return `the problem is not JSON: ${body.slice(0, 200)}`;
  const code = String(problem['code']);
  if (!Object.hasOwn(ERRORS, code)) return `unknown code ${code}`;
  if (ERRORS[code as ErrorCode].status !== status || problem['status'] !== status) return `${code} came with ${status}`;
  for (const member of ['type', 'title', 'detail', 'instance']) {
    if (typeof problem[member] !== 'string' || problem[member] === '') return `the problem has no ${member}: ${body}`;
  }
  const { field } = problem;
  if (code === 'INVALID_INPUT' && (typeof field !== 'string' || field === '')) return `${code} names no field: ${body}`;
  if (OF_WHOLE_BODY.includes(code) && field !== '/') return `${code} does not name the body: ${body}`;
  return null;
}

function flawOfSuccess(operation: Operation, body: string): string | null {
  let compiled = answersOf.get(operation.id);
  if (compiled === undefined) answersOf.set(operation.id, (compiled = Compile(operation.response)));
  const value = parse(body);
  if (compiled.Check(value)) return null;
  const [error] = compiled.Errors(value);
  return `the answer is not of its own schema: ${error?.instancePath} ${error?.message}: ${body.slice(0, 300)}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
