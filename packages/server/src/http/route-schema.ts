import { ACK_HEADER, ACK_LEVELS } from '@keyhold/protocol/acknowledgement';
import { type ErrorCode, ERRORS } from '@keyhold/protocol/errors';
import type { Asked, Operation } from '@keyhold/protocol/operation';
import { Closed } from '@keyhold/protocol/operations/shapes';
import { SESSION_COOKIE } from './session-cookie.ts';

/** What a route opens to, as far as the reference says it. */
export interface Opening {
  readonly isOpen?: true;
  readonly cookies?: object;
}

/** Problem details (RFC 9457), as every refusal is answered; the reference has it once. */
export const PROBLEM_SCHEMA = {
  $id: 'Problem',
  type: 'object',
  description: 'Problem details (RFC 9457). docs/errors.md has a line for each code.',
  required: ['type', 'title', 'status', 'code', 'detail', 'instance'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', description: '`urn:keyhold:error:` and the code.' },
    title: { type: 'string', description: 'What the code means.' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    detail: { type: 'string', description: 'What is wrong in this case.' },
    instance: { type: 'string', description: 'Id of this very request.' },
    field: {
      type: 'string',
      description:
        'What is at fault: a JSON pointer into the body, `/` for all of it, the name of a parameter, or `request`.',
    },
    confirmation: { type: 'string', description: 'Under which the request waits for its person on his page.' },
    approval: { type: 'string', description: 'Under which the request waits for the approval of others.' },
  },
} as const;

/** One for all, so that what writes it is made once. */
const PROBLEM = { $ref: 'Problem#' } as const;

/** Names of the reference's `securitySchemes`. */
export const SECURITY_SCHEMES = {
  token: { type: 'http', scheme: 'bearer', description: 'A token of Keyhold, or the secret of a session.' },
  session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'Of our own pages alone.' },
  gateway: { type: 'apiKey', in: 'header', name: 'X-Keyhold-Token', description: "The gateway's token." },
} as const;

/** Of every operation; who has to show nothing can't show the wrong thing. */
function codesOf({ method, path, query, idempotent, errors }: Operation, { isOpen }: Opening): ErrorCode[] {
  const isConfirmed = errors.includes('CONFIRMATION_REQUIRED');
  const pages = Object.hasOwn((query as { properties?: object } | undefined)?.properties ?? {}, 'cursor');
  return [
    'INVALID_INPUT',
    ...(method === 'GET' ? [] : OF_BODIES),
    ...(pages ? (['INVALID_CURSOR'] as const) : []),
    ...(isOpen === true ? [] : (['UNAUTHENTICATED'] as const)),
    'FORBIDDEN',
    ...(path.includes('{') ? (['URI_TOO_LONG'] as const) : []),
    ...(idempotent === true ? (['IDEMPOTENCY_KEY_REUSED'] as const) : []),
    ...(isConfirmed ? BY_CODE : []),
    ...errors,
    ...OF_THE_SERVER,
  ];
}

const OF_BODIES: readonly ErrorCode[] = ['INVALID_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];
const OF_THE_SERVER: readonly ErrorCode[] = ['INTERNAL', 'OVERLOADED', 'STORE_UNAVAILABLE'];
/** What a code of somebody's app may be answered with. */
const BY_CODE: readonly ErrorCode[] = ['TOO_MANY_ATTEMPTS', 'SEALED', 'ENVELOPE_BROKEN', 'ROW_TAMPERED'];

/** What Fastify checks input by, and what the reference says of a route. */
export function routeSchema(operation: Operation, opening: Opening) {
  const { params, query, body, method } = operation;
  const answers: Record<number, unknown> = { [operation.status]: operation.response };
  if (operation.idempotent === true) answers[200] = operation.response;
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(operation.asks === undefined ? {} : { description: `Asks for ${operation.asks.map(inWords).join(', and ')}.` }),
    tags: [operation.tag],
    security: securityOf(opening),
    response: { ...refusalsOf(codesOf(operation, opening)), ...answers },
    ...(params === undefined ? {} : { params }),
    querystring: query ?? Closed({}),
    ...(method === 'GET' ? {} : { body: body ?? Closed({}), headers: headersOf(operation) }),
  };
}

function securityOf({ isOpen, cookies }: Opening): Readonly<Record<string, readonly string[]>>[] {
  if (isOpen === true) return [];
  return cookies === undefined ? [{ token: [] }] : [{ token: [] }, { session: [] }];
}

/** Answers that say no, by their status. */
export function refusalsOf(codes: readonly ErrorCode[]): Record<number, unknown> {
  const refusals: Record<number, unknown> = {};
  for (const status of new Set<number>(codes.map((code) => ERRORS[code].status))) {
    const here = [...new Set(codes.filter((code) => ERRORS[code].status === status))].join(', ');
    refusals[status] = { description: here, content: { 'application/problem+json': { schema: PROBLEM } } };
  }
  return refusals;
}

const inWords = ({ action, at, unless }: Asked) =>
  `\`${action}\` at ${AT[at]}${unless === undefined ? '' : ` unless ${unless}`}`;

const AT: Readonly<Record<Asked['at'], string>> = {
  installation: 'the installation',
  project: 'the project',
  environment: 'the environment',
  secret: 'the secret',
  place: 'each place that it is about',
};

/** For the reference page; they are read where they mean something. */
function headersOf({ idempotent }: Operation) {
  const ack = `How far the log has to be with the change before it is answered: ${ACK_LEVELS.join(', ')}.`;
  return {
    type: 'object',
    properties: {
      [ACK_HEADER]: { type: 'string', description: ack },
      ...(idempotent === true
        ? { 'idempotency-key': { type: 'string', description: 'Makes a repeated call safe.' } }
        : {}),
    },
  };
}
