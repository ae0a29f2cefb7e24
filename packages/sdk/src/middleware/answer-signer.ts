import { constants, createHash, type KeyObject, sign } from 'node:crypto';
import type { FieldLine, ReceivedRequest, SignatureAlgorithm } from '@keyhold/protocol/dialects/dialect';
import { isMalformed } from '@keyhold/protocol/dialects/dialect';
import { type RequestedSignature, readAcceptSignature } from '@keyhold/protocol/dialects/rfc9421/accept-signature';
import { writeDigest } from '@keyhold/protocol/dialects/rfc9421/content-digest';
import {
  prepareResponse,
  REQUEST_SIGNATURE,
  RESPONSE_COMPONENTS,
  type ResponseSigning,
} from '@keyhold/protocol/dialects/rfc9421/response-signature';
import { componentsNamed } from '@keyhold/protocol/dialects/rfc9421/signing';
import { type Clock, systemClock } from '@keyhold/verifier/clock';

/** What an API signs its answers with (RFC 9421 §2.4): a client sees that it, and nobody between, answered this request. */
export interface AnswerSigner {
  /** By which clients know the key. */
  readonly keyid: string;
  readonly algorithm: Exclude<SignatureAlgorithm, `hmac-${string}`>;
  /** Private. */
  readonly key: KeyObject;
  /** A longer answer is sent as it comes and unsigned, which clients that check refuse. Default: 8 MiB. */
  readonly maxBytes?: number;
}

/** An answer before it is sent. */
export interface Answer {
  readonly status: number;
  /** As they will be sent. */
  readonly headers: readonly FieldLine[];
  readonly body: Uint8Array;
}

interface SigningOptions {
  readonly answers?: AnswerSigner;
  readonly scheme?: 'https' | 'http';
  readonly clock?: Pick<Clock, 'wall'>;
}

const DEFAULT_MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** How the answer to one request is signed. */
export interface AnswerSigning {
  readonly fieldsOf: (answer: Answer) => readonly FieldLine[];
  readonly maxBytes: number;
}

/** Null where answers are not signed, or this client does not look: it neither signs by RFC 9421 nor asks. */
export function signingOfAnswer(
  { answers, scheme = 'https', clock = systemClock }: SigningOptions,
  head: Omit<ReceivedRequest, 'body' | 'scheme'>,
): AnswerSigning | null {
  if (answers === undefined || !head.headers.some(([name]) => /^(?:accept-signature|signature-input)$/i.test(name))) {
    return null;
  }
  const request = { ...head, scheme, body: null };
  return {
    fieldsOf: (answer) => answerFields(answers, answer, request, clock.wall()),
    maxBytes: answers.maxBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  };
}

/** Content-Digest, Signature-Input and Signature of an answer to this request. */
function answerFields(
  signer: AnswerSigner,
  { status, headers, body }: Answer,
  request: ReceivedRequest,
  nowMs: number,
): readonly FieldLine[] {
  const digest = createHash('sha256').update(body).digest();
  // RFC 9110 §9.3.2, §15: these have no content, and a digest would be of what another answer has.
  const hasContent = request.method !== 'HEAD' && status !== 204 && status !== 304;
  const digests: FieldLine[] = hasContent
    ? [['Content-Digest', writeDigest({ algorithm: 'sha-256', value: digest })]]
    : [];
  const others = headers.filter(([name]) => !/^content-digest$/i.test(name));
  const answer = { status, headers: [...others, ...digests] };
  const plain: ResponseSigning = { keyid: signer.keyid, algorithm: signer.algorithm, nowMs };
  const task = prepareAsAsked(answer, request, plain) ?? prepare(answer, request, { ...plain, ...bindingOf(request) });
  // A request of which nobody can say where it went: Node lets some through. No client believes the answer.
  return task === null ? [] : [...digests, ...task.fields(signed(signer, task.base))];
}

/**
 * As Accept-Signature wants it, and never less than what binds an answer to its request: what was asked for by one is
 * not to pass as an answer to another. Null where nothing is asked that could be had (RFC 9421 §5.2).
 */
function prepareAsAsked(
  answer: { readonly status: number; readonly headers: readonly FieldLine[] },
  request: ReceivedRequest,
  plain: ResponseSigning,
) {
  const asked = readAcceptSignature(request.headers);
  const one = isMalformed(asked) ? undefined : asked.find((candidate) => isOurs(candidate, plain));
  if (one === undefined) return null;
  const binding = componentsNamed(bindingOf(request).components);
  const more = one.components.filter(({ identity }) => !binding.some((bound) => bound.identity === identity));
  const { label, nonce, tag } = one;
  const wanted = { ...(nonce === undefined ? {} : { nonce }), ...(tag === undefined ? {} : { tag }) };
  const components = [...binding, ...more].map(({ identifier }) => identifier);
  return prepare(answer, request, { ...plain, ...wanted, label, components });
}

/** Null where answer or request has not what is to be covered. */
function prepare(...of: Parameters<typeof prepareResponse>): ReturnType<typeof prepareResponse> | null {
  try {
    return prepareResponse(...of);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** A signed request is bound by its signature, so that of two to one address each has its own answer. */
function bindingOf({ headers }: ReceivedRequest): { components: readonly string[] } {
  const isSigned = headers.some(([name]) => /^signature$/i.test(name));
  return { components: isSigned ? [...RESPONSE_COMPONENTS, REQUEST_SIGNATURE] : RESPONSE_COMPONENTS };
}

function isOurs({ alg, keyid }: RequestedSignature, plain: ResponseSigning): boolean {
  return (alg === undefined || alg === plain.algorithm) && (keyid === undefined || keyid === plain.keyid);
}

function signed({ algorithm, key }: AnswerSigner, base: Uint8Array): Uint8Array {
  switch (algorithm) {
    case 'ed25519':
      return sign(null, base, key);
    case 'ecdsa-p256-sha256':
      return sign('sha256', base, { key, dsaEncoding: 'ieee-p1363' });
    case 'rsa-v1_5-sha256':
      return sign('sha256', base, { key, padding: constants.RSA_PKCS1_PADDING });
    case 'rsa-pss-sha512':
      // RFC 9421 §3.3.1: the salt is as long as the hash.
      return sign('sha512', base, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 });
  }
}
