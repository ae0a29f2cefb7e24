import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import { APPROVAL_HEADER, type SentRequest } from '@keyhold/protocol/confirmation';
import { type ErrorCode, isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Body, Operation, Params, Query, Response } from '@keyhold/protocol/operation';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Acknowledge, levelAskedFor, tellAcknowledgement } from './acknowledge.ts';
import { sendProblem } from './problem.ts';
import { routeSchema } from './route-schema.ts';
import { sessionCookieOf, setSessionCookie } from './session-cookie.ts';

/** One authenticated request, as a route sees it. */
export interface Call<O extends Operation, P> {
  readonly principal: P;
  readonly params: Params<O>;
  readonly query: Query<O>;
  readonly body: Body<O>;
  /** Address of the peer. */
  readonly ip: string;
  /** Of the page that calls, as its browser says. */
  readonly origin: string | undefined;
  readonly idempotency: IdempotencyClaim | undefined;
  /** Null once the caller has confirmed this very request, where he is one who has to. */
  readonly confirm: () => Promise<Refusal | null>;
}

/** What a caller claims with an `Idempotency-Key`. */
export interface IdempotencyClaim {
  readonly principal: string;
  readonly key: string;
  readonly requestDigest: string;
}

/** Whose session a cookie holds; `renewed` takes the place of what it holds. */
export interface FromCookie<P> {
  readonly principal: P;
  readonly renewed: string | null;
}

/** Whoever comes, with nothing. */
export const ANYBODY: Gate<{ readonly id: string }> = {
  isOpen: true,
  authenticate: async () => ({ id: 'anybody' }),
};

/** An approval that a request runs with. */
export interface Taken {
  /** It was used where the request was done, and waits on where it was refused. */
  readonly done: (isDone: boolean) => Promise<void>;
}

/** How callers are found and judged; handed in by `app.ts`, since that is decided on a higher floor. */
export interface Gate<P extends { readonly id: string }> {
  authenticate(secret: string | null, ip?: string): Promise<P | null>;
  /** Whoever comes is let in, and nobody has to send anything. */
  readonly isOpen?: true;
  /** Missing where cookies open nothing. */
  readonly cookies?: {
    /** Of our own pages; requests with a cookie come from nowhere else. */
    readonly origin: () => string;
    /** @param isWatching it does not count as a use */
    readonly open: (secret: string, ip: string, isWatching: boolean) => Promise<FromCookie<P> | null>;
  };
  /**
   * Whether the caller confirmed this very request, where he has to. Missing where nobody can.
   * @param again finds the caller anew
   */
  readonly confirm?: (
    principal: P,
    request: () => SentRequest,
    again: () => Promise<P | Refusal | null>,
  ) => Promise<Refusal | null>;
  /** Refuses whoever may do none of it anywhere: a handler that forgets to ask opens nothing. */
  readonly refuse?: (principal: P, asked: NonNullable<Operation['asks']>) => Refusal | null;
  /** Told what was refused to whom; null: to somebody who is not known. */
  readonly refused?: (principal: P | null, operation: string, code: ErrorCode, ip: string) => void;
  /** Approvals by others of what a caller sends; missing where nobody gives any. */
  readonly approvals?: {
    /**
     * Finds who approved this very request, which says that it was.
     * @param claim with which it may repeat what was done
     */
    readonly take: (principal: P, request: SentRequest, claim?: IdempotencyClaim) => Promise<Taken | Refusal>;
    /** Lets it wait for them, where it can; what it is answered with. */
    readonly ask: (principal: P, request: SentRequest, refusal: Refusal) => Promise<Refusal>;
  };
  /** Missing where no log is kept: then nobody can ask for more than an answer. */
  readonly acknowledge?: Acknowledge;
}

/** An answer; `repeated` when an earlier call did the work. */
export interface Answer<T> {
  readonly body: T;
  readonly repeated?: boolean;
  /** Of the entry that the change has. */
  readonly sequence?: number | undefined;
  /** Secret of a session that began; null: it is over. */
  readonly session?: string | null;
}

/** Whoever was found longer ago is looked for again. */
const PROMPT_MS = 100;

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** Serves an operation. `handle` gets input of exactly the declared shape and answers with a value or a refusal. */
export function mount<O extends Operation, P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  operation: O,
  handle: (call: Call<O, P>) => Promise<Answer<Response<O>> | Refusal>,
): void {
  const isWatching = operation.isWatching === true;
  const find = (request: FastifyRequest, reply: FastifyReply) => principalOf(gate, request, reply, isWatching);
  app.route({
    method: operation.method,
    url: operation.path.replace(/\{(\w+)\}/g, ':$1'),
    ...(operation.maxBodyBytes === undefined ? {} : { bodyLimit: operation.maxBodyBytes }),
    schema: routeSchema(operation, gate),
    // Before the body is parsed: a stranger's input is not even read.
    onRequest: async (request, reply) => {
      const principal = await find(request, reply);
      if (principal === null) return unauthenticated(gate, operation, request, reply);
      if (isRefusal(principal)) return sendProblem(request, reply, principal);
      (request as { principal?: P }).principal = principal;
    },
    // An operation without a body takes none or `{}`.
    preValidation: (request, _reply, done) => {
      if (operation.body === undefined || request.body === undefined) request.body ??= {};
      done();
    },
    handler: async (request, reply) => {
      const acknowledge = operation.method === 'GET' ? undefined : gate.acknowledge;
      const level = acknowledge === undefined ? 'durable' : levelAskedFor(request);
      if (isRefusal(level)) return sendProblem(request, reply, level);
      const idempotency = idempotencyOf(operation, request);
      if (isRefusal(idempotency)) return sendProblem(request, reply, idempotency);
      // A body may take its time: whoever lost his rights meanwhile has lost them.
      const isPrompt = reply.elapsedTime < PROMPT_MS;
      const principal = isPrompt ? (request as unknown as { principal: P }).principal : await find(request, reply);
      if (principal === null) return unauthenticated(gate, operation, request, reply);
      if (isRefusal(principal)) return sendProblem(request, reply, principal);
      const closed = gate.refuse?.(principal, operation.asks ?? []) ?? null;
      if (closed !== null) {
        gate.refused?.(principal, operation.id, closed.refused, request.ip);
        return sendProblem(request, reply, closed);
      }
      const sent = () => sentRequest(request, operation);
      const approved = await approvalOf(gate, operation, request, principal, sent, idempotency);
      if (isRefusal(approved)) return sendProblem(request, reply, approved);
      const answer = await approvedly(approved, () =>
        handle({
          principal,
          confirm: async () => {
            return (await gate.confirm?.(principal, sent, () => find(request, reply))) ?? null;
          },
          params: request.params as Params<O>,
          query: request.query as Query<O>,
          body: request.body as Body<O>,
          ip: request.ip,
          origin: request.headers.origin,
          idempotency,
        }),
      );
      if (isRefusal(answer)) {
        gate.refused?.(principal, operation.id, answer.refused, request.ip);
        return sendProblem(request, reply, pointed(operation, await told(gate, principal, sent, answer)));
      }
      if (answer.session !== undefined) setSessionCookie(reply, answer.session);
      if (acknowledge !== undefined) await tellAcknowledgement(reply, acknowledge, answer.sequence, level);
      reply.code(answer.repeated === true ? 200 : operation.status).header('cache-control', 'no-store');
      return answer.body;
    },
  });
}

/** Reading waits for nobody's approval. */
export async function approvalOf<P extends { readonly id: string }>(
  { approvals }: Gate<P>,
  { method }: Pick<Operation, 'method'>,
  request: FastifyRequest,
  principal: P,
  sent: () => SentRequest,
  claim?: IdempotencyClaim,
): Promise<Taken | Refusal | null> {
  if (method === 'GET' || request.headers[APPROVAL_HEADER] === undefined) return null;
  return (await approvals?.take(principal, sent(), claim)) ?? null;
}

/** Does it, and says of the approval that it ran with what became of it. */
export async function approvedly<T>(approved: Taken | null, work: () => Promise<T | Refusal>): Promise<T | Refusal> {
  let isDone = false;
  try {
    const answer = await work();
    isDone = !isRefusal(answer);
    return answer;
  } finally {
    await approved?.done(isDone);
  }
}

/** What a refusal is answered with: that it takes approvals is heard by those who give them. */
export async function told<P extends { readonly id: string }>(
  gate: Gate<P>,
  principal: P,
  sent: () => SentRequest,
  refusal: Refusal,
): Promise<Refusal> {
  if (refusal.refused !== 'APPROVALS_REQUIRED' || gate.approvals === undefined) return refusal;
  return await gate.approvals.ask(principal, sent(), refusal);
}

/** A bearer token wins over a cookie: whoever sends one means it. */
async function principalOf<P extends { readonly id: string }>(
  gate: Gate<P>,
  request: FastifyRequest,
  reply: FastifyReply,
  isWatching: boolean,
): Promise<P | Refusal | null> {
  const { cookies } = gate;
  const cookie = request.headers.authorization === undefined ? sessionCookieOf(request) : null;
  if (cookies === undefined || cookie === null) return await gate.authenticate(bearerOf(request), request.ip);
  // Before it is looked at: a page of another must not even renew it.
  if (!isReading(request) && request.headers.origin !== cookies.origin()) {
    return refuse('FORBIDDEN', `With a cookie this is called from pages of ${cookies.origin()} alone.`, 'Origin');
  }
  const found = await cookies.open(cookie, request.ip, isWatching);
  if (found === null) return null;
  if (found.renewed !== null) setSessionCookie(reply, found.renewed);
  return found.principal;
}

function isReading({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

type Declared = { readonly carriesSecret?: boolean; readonly keepsSignature?: boolean };

export function sentRequest(
  request: FastifyRequest,
  { carriesSecret = false, keepsSignature = false }: Declared = {},
): SentRequest {
  const { rawHeaders, url: target = '' } = request.raw;
  const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ''] as const] : []));
  const declared = { carriesSecret, keepsSignature };
  return {
    method: request.method,
    target,
    headers,
    body: request.rawBody ?? Buffer.alloc(0),
    ip: request.ip,
    ...declared,
  };
}

export function bearerOf(request: FastifyRequest): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

const NO_TOKEN = refuse('UNAUTHENTICATED', 'Send a token as "Authorization: Bearer <token>".');
const OTHER_TOKEN = refuse('UNAUTHENTICATED', 'This token opens nothing here: it is unknown, revoked or over.');

/** Tells a stranger nothing but that a token is needed, and whoever sent one that it is none. */
function unauthenticated<P extends { readonly id: string }>(
  { refused }: Gate<P>,
  { id }: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  refused?.(null, id, 'UNAUTHENTICATED', request.ip);
  return sendProblem(request, reply, bearerOf(request) === null ? NO_TOKEN : OTHER_TOKEN);
}

/** A use case names a field by its name alone, wherever it was sent: in a body it is a JSON pointer (RFC 6901). */
function pointed({ body, params, query }: Operation, refusal: Refusal): Refusal {
  const { field } = refusal;
  if (field === undefined || field.startsWith('/') || declares(params, field) || declares(query, field)) return refusal;
  return declares(body, field) ? { ...refusal, field: `/${field}` } : refusal;
}

function declares(schema: object | undefined, field: string): boolean {
  return Object.hasOwn((schema as { readonly properties?: object } | undefined)?.properties ?? {}, field);
}

function idempotencyOf(operation: Operation, request: FastifyRequest): IdempotencyClaim | Refusal | undefined {
  const key = request.headers['idempotency-key'];
  if (operation.idempotent !== true || key === undefined) return undefined;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key)) {
    return refuse('INVALID_INPUT', 'It takes 1 to 128 visible ASCII characters.', 'Idempotency-Key');
  }
  const principal = (request as unknown as { principal: { id: string } }).principal.id;
  // What is kept is a digest: a caller may have put a secret there. The key, of which the digest alone is kept too, is
  // in it, so that nobody who has both can try short secrets against it.
  const content = canonicalJson([operation.id, key, request.params as Json, (request.body ?? null) as Json]);
  return { principal, key: hash('sha256', key, 'hex'), requestDigest: hash('sha256', content, 'hex') };
}
