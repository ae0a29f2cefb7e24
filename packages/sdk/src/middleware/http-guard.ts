import type { FieldLine, ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import { requestedOf, writeAcceptSignature } from '@keyhold/protocol/dialects/rfc9421/accept-signature';
import { type Recognised, recognise } from '@keyhold/protocol/dialects/dialects';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import { type HttpRefusal, problemRefusal, refusalOf } from '@keyhold/protocol/http-refusal';
import { PASSKEY_HEADER } from '@keyhold/protocol/request-passkey';
import { OTP_HEADER } from '@keyhold/protocol/totp';
import type { Verdict, VerificationRequest } from '@keyhold/protocol/verdict';
import { type Clock, systemClock } from '@keyhold/verifier/clock';
import { KeyholdError } from '../keyhold-error.ts';
import type { AnswerSigner } from './answer-signer.ts';

/** What guards of every framework have in common. */
export interface HttpGuardOptions {
  /** An embedded verifier's `verify`, or {@link verifyRemotely} of a verifier client. */
  readonly verify: (request: VerificationRequest) => Promise<Verdict>;
  /** `project/environment` whose keys open this API. */
  readonly environment: string;
  /**
   * How requests may be signed, as the environment says; a function is asked for each request, and null is its word
   * that this is not known yet: then nothing is decided. Left out: only `Authorization: Bearer` is looked at.
   */
  readonly dialects?: readonly DialectSettings[] | (() => readonly DialectSettings[] | null);
  /** What clients connect with: behind a proxy that ends TLS nothing in the request says it. Default: `https`. */
  readonly scheme?: 'https' | 'http';
  /**
   * Longest body of a signed request; what is longer is answered with 413, unread. Default: 1 MiB, and no verifier
   * process reads more: beyond it takes an embedded verifier, or `stream`.
   */
  readonly maxBodyBytes?: number;
  /**
   * `buffer` (the default): the body of a signed request is read whole, and verified with it. `stream`: where RFC 9421
   * covers a Content-Digest, the application reads the body as it comes; the stream fails at its end, and never ends
   * cleanly, where the digest is of another body. Everything done before the end has to be undone then. A request
   * without Content-Digest is read whole, as far as `maxBodyBytes`.
   */
  readonly body?: 'buffer' | 'stream';
  /**
   * Longest body that is streamed: what says that it is longer is answered with 413, and where one turns out to be, the
   * stream fails. Default: none, and the application has to have a limit of its own.
   */
  readonly maxStreamBytes?: number;
  /** How refusals of signed requests are worded: as the dialect's clients expect (the default), or as problem details. */
  readonly refusals?: 'dialect' | 'problem';
  /** Signs answers, refusals too, to requests that are signed by RFC 9421 or ask for it with Accept-Signature. */
  readonly answers?: AnswerSigner;
  /** Default: the machine's own. */
  readonly clock?: Pick<Clock, 'wall'>;
}

/** What one route requires. */
export interface Requirement {
  /** Expression over permissions; left out: any valid key. */
  readonly permission?: string;
  /** Units that this request takes from limits and quota; default 1. */
  readonly cost?: number;
  /**
   * What the request says that only this API knows how to read: where a withdrawal goes, a one-time code that its dialect
   * has no place for. Its body is read whole for that. Where this throws, the request says nothing, and what needs it is
   * refused.
   */
  readonly about?: (request: ReceivedRequest) => Pick<VerificationRequest, 'destination' | 'secondFactor'>;
}

/** A request before its body was read. */
export type RequestHead = Omit<ReceivedRequest, 'body' | 'scheme'>;

/** Where a body comes from. */
export interface BodySource {
  /** True where the head says that there is none (RFC 9112 §6.3). */
  readonly isEmpty: boolean;
  /** True where somebody has begun to read it before the guard. */
  isRead(): boolean;
  /** Reads it whole, and leaves it to the application to be read again; a string says why that can't be had. */
  read(maxBytes: number): Promise<Uint8Array | 'too large' | 'aborted'>;
  /** Asks for a stream that can be checked at its end; false: too late, it has to be read. */
  hold?(): boolean;
}

/** One request to be guarded. */
export interface ToGuard {
  readonly head: RequestHead;
  readonly body: BodySource;
  readonly clientIp: string | undefined;
  readonly requirement: Requirement;
}

export type GuardDecision =
  | {
      readonly kind: 'accepted';
      readonly verdict: Verdict;
      /** Digests of which the body has to have each; only where it was not read. */
      readonly digests: NonNullable<Verdict['bodyDigests']>;
    }
  /** Without a verdict where none was asked for. */
  | { readonly kind: 'refused'; readonly refusal: HttpRefusal; readonly verdict: Verdict | null }
  /** The client went away while its body was read; nobody is there to be answered. */
  | { readonly kind: 'gone' };

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

function maxBytesOf({ maxBodyBytes = DEFAULT_MAX_BODY_BYTES }: HttpGuardOptions): number {
  return maxBodyBytes;
}

const TOO_LARGE: GuardDecision = {
  kind: 'refused',
  refusal: problemRefusal(413, 'BODY_TOO_LARGE', 'The body is larger than a request may have whose body is verified.'),
  verdict: null,
};

/** Decides one HTTP request: its own bytes in, a verdict or the client's answer out. Never rejects for a refusal. */
export async function guardHttp(options: HttpGuardOptions, request: ToGuard): Promise<GuardDecision> {
  const decision = await decideHttp(options, request).catch(tooLargeOr);
  const asks = decision.kind === 'refused' && decision.refusal.status === 401;
  const settings = asks ? dialectsOf(options)?.find(({ dialect }) => dialect === 'rfc9421') : undefined;
  if (!asks || settings?.dialect !== 'rfc9421') return decision;
  // What a signature would have to cover (RFC 9421 §5): no secret, and all that a client needs to send a better one.
  const wanted = writeAcceptSignature([requestedOf(settings, !request.body.isEmpty)]);
  const headers = [...decision.refusal.headers, ['accept-signature', wanted] as const];
  return { ...decision, refusal: { ...decision.refusal, headers } };
}

/** What the verifier could not read for its size is answered as what the guard does not. */
function tooLargeOr(error: unknown): GuardDecision {
  if (isTooLarge(error)) return TOO_LARGE;
  throw error;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof KeyholdError && error.code === 'BODY_TOO_LARGE';
}

async function decideHttp(options: HttpGuardOptions, request: ToGuard): Promise<GuardDecision> {
  const { head, clientIp } = request;
  const { permission, cost } = request.requirement;
  const common = { environment: options.environment, permission, clientIp, cost };
  const received = { ...head, scheme: options.scheme ?? 'https' } as const;
  const dialects = dialectsOf(options);
  if (dialects === null) {
    const reason = 'how requests are signed here is not known yet';
    return refused(options, { valid: false, code: 'VERIFIER_FENCED', reason }, null);
  }
  const recognised = recognise(dialects, { ...received, body: null });
  if (recognised === null) return await guardBearer(options, request, common);
  const body = await bodyOf(options, request, recognised);
  if (body === 'aborted') return { kind: 'gone' };
  if (body === 'too large') return TOO_LARGE;
  const whole = { ...received, body };
  const verdict = await decide(options, { ...common, ...aboutOf(request.requirement, whole), request: whole });
  if (!verdict.valid) return refused(options, verdict, recognised);
  const digests = body === null ? (verdict.bodyDigests ?? []) : [];
  // A body that nobody read and nothing binds: whoever would accept that is no verifier.
  if (body === null && digests.length === 0) {
    const reason = 'the verifier accepted a body that it did not read, and named no digest of it';
    return refused(options, { valid: false, code: 'STORE_UNAVAILABLE', reason }, recognised);
  }
  return { kind: 'accepted', verdict, digests };
}

function dialectsOf({ dialects = [] }: HttpGuardOptions): readonly DialectSettings[] | null {
  return typeof dialects === 'function' ? dialects() : dialects;
}

async function guardBearer(
  options: HttpGuardOptions,
  request: ToGuard,
  common: Omit<VerificationRequest, 'key' | 'request'>,
): Promise<GuardDecision> {
  const { headers } = request.head;
  const found = headers.filter(([name]) => name.toLowerCase() === 'authorization');
  // Two of them would leave it to whoever reads the request next which one counts.
  if (found.length > 1) {
    const reason = 'Authorization is there more than once';
    return refused(options, { valid: false, code: 'MALFORMED', reason }, null);
  }
  const key = /^Bearer +(\S+) *$/i.exec(found[0]?.[1] ?? '')?.[1];
  if (key === undefined) {
    const refusal = problemRefusal(401, 'KEY_REQUIRED', 'Send your API key as "Authorization: Bearer <key>".');
    return { kind: 'refused', refusal, verdict: null };
  }
  const { requirement } = request;
  const secondFactor = otpOf(headers);
  // A key is decided without its body, unless somebody has to look at that.
  if (requirement.about === undefined && !hasPasskey(headers)) {
    return bearerDecision(options, await decide(options, { ...common, key, ...secondFactor }));
  }
  const body = await bodyBeside(options, request.body);
  if (body === 'aborted') return { kind: 'gone' };
  if (body === 'too large') return TOO_LARGE;
  const whole = { ...request.head, scheme: options.scheme ?? 'https', body } as const;
  return bearerDecision(options, await decide(options, { ...common, ...aboutOf(requirement, whole), request: whole }));
}

/** Null where somebody has read it: it is not there to be looked at, and what needs it is refused. */
async function bodyBeside(options: HttpGuardOptions, body: BodySource) {
  if (body.isEmpty) return new Uint8Array();
  return body.isRead() ? null : await body.read(maxBytesOf(options));
}

/** Beside a key that nobody signed; twice it is nobody's. */
function otpOf(headers: readonly FieldLine[]): Pick<VerificationRequest, 'secondFactor'> {
  const [first, ...more] = headers.filter(([name]) => name.toLowerCase() === OTP_HEADER);
  return first === undefined || more.length > 0 ? {} : { secondFactor: { otp: first[1] } };
}

function hasPasskey(headers: readonly FieldLine[]): boolean {
  return headers.some(([name]) => name.toLowerCase() === PASSKEY_HEADER);
}

function aboutOf({ about }: Requirement, request: ReceivedRequest): ReturnType<NonNullable<Requirement['about']>> {
  try {
    return about?.(request) ?? {};
  } catch {
    return {};
  }
}

function bearerDecision(options: HttpGuardOptions, verdict: Verdict): GuardDecision {
  return verdict.valid ? { kind: 'accepted', verdict, digests: [] } : refused(options, verdict, null);
}

/** Null: not read, and to be checked by its digest. */
async function bodyOf(options: HttpGuardOptions, { head, body, requirement }: ToGuard, { dialect }: Recognised) {
  if (body.isEmpty) return new Uint8Array(0);
  const looks = requirement.about !== undefined || hasPasskey(head.headers);
  // Without a digest it can only be empty, which nobody knows before its end: runtimes hand over a stream in any case.
  const mayStream = options.body === 'stream' && !looks && dialect.name === 'rfc9421' && hasDigest(head);
  if (mayStream && declaredLength(head) > (options.maxStreamBytes ?? Number.POSITIVE_INFINITY)) return 'too large';
  if (mayStream && body.hold?.() === true) return null;
  return await body.read(maxBytesOf(options));
}

function hasDigest({ headers }: RequestHead): boolean {
  return headers.some(([name]) => name.toLowerCase() === 'content-digest');
}

/** 0 where none is declared, as in chunks. */
function declaredLength({ headers }: RequestHead): number {
  return Number(headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1] ?? 0);
}

/**
 * Fails closed: a verifier that can't be asked is a refusal, and the operator hears why.
 * @throws KeyholdError where the request is too large to be asked of
 */
async function decide({ verify }: HttpGuardOptions, request: VerificationRequest): Promise<Verdict> {
  try {
    return await verify(request);
  } catch (error) {
    if (isTooLarge(error)) throw error;
    return { valid: false, code: 'STORE_UNAVAILABLE', reason: `the verifier could not be asked: ${wordsOf(error)}` };
  }
}

/** `fetch` says only in its cause why it failed. */
function wordsOf(error: unknown): string {
  const { cause } = (error ?? {}) as { readonly cause?: { readonly code?: unknown; readonly message?: unknown } };
  const why = cause?.code ?? cause?.message;
  return why === undefined ? String(error) : `${error} (${why})`;
}

function refused(options: HttpGuardOptions, verdict: Verdict, recognised: Recognised | null): GuardDecision {
  const wording = options.refusals === 'problem' ? null : recognised;
  const refusal = refusalOf(verdict, wording, (options.clock ?? systemClock).wall());
  return { kind: 'refused', refusal, verdict };
}
