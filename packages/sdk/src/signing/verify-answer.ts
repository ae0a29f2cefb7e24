import type { FieldLine, OutgoingRequest, SignatureAlgorithm, SignedClaim } from '@keyhold/protocol/dialects/dialect';
import { isMalformed } from '@keyhold/protocol/dialects/dialect';
import { asReceived } from '@keyhold/protocol/dialects/rfc9421/prepare-request';
import {
  REQUEST_SIGNATURE,
  RESPONSE_COMPONENTS,
  type ResponseRules,
  readResponse,
} from '@keyhold/protocol/dialects/rfc9421/response-signature';
import { type CryptoKey, digest, importPublicKey, verifyWith } from './signing-key.ts';

/** Whose answers are believed. */
export interface AnswerKey {
  /** By which the API names the key. */
  readonly keyid: string;
  readonly algorithm: Exclude<SignatureAlgorithm, `hmac-${string}`>;
  /** SubjectPublicKeyInfo in PEM, or a key of WebCrypto that may verify. */
  readonly key: string | CryptoKey;
  /** Default: 60. */
  readonly maxAgeSeconds?: number;
  /** What a signature has to cover beside `@status` and method and target of the request, as RFC 9421 §2 writes it. */
  readonly components?: ResponseRules['components'];
}

/** An answer as it came, its body whole. */
export interface ReceivedAnswer {
  readonly status: number;
  readonly headers: Iterable<FieldLine>;
  readonly body: Uint8Array;
}

/** Why an answer is not believed. */
export class AnswerNotSigned extends Error {
  override readonly name = 'AnswerNotSigned';
}

/**
 * Checks that an answer is the API's own, to this request (RFC 9421 §2.4). WebCrypto only.
 * @param request as it was sent: what `signRequest` gave
 * @param nowMs epoch milliseconds
 * @throws AnswerNotSigned with the reason
 */
export async function verifyAnswer(
  from: AnswerKey,
  answer: ReceivedAnswer,
  request: OutgoingRequest,
  nowMs: number,
): Promise<void> {
  const { status, body } = answer;
  const received = { status, headers: [...answer.headers], body };
  const isSigned = request.headers.some(([name]) => name.toLowerCase() === 'signature');
  const bound = isSigned ? [REQUEST_SIGNATURE] : [];
  const claim = readResponse(received, asReceived(request), {
    maxAgeSeconds: from.maxAgeSeconds ?? 60,
    components: [...RESPONSE_COMPONENTS, ...bound, ...(from.components ?? [])],
  });
  if (isMalformed(claim)) throw new AnswerNotSigned(claim.malformed);
  const problem = claimProblem(claim, from, nowMs) ?? (await digestProblem(claim, body));
  if (problem !== null) throw new AnswerNotSigned(problem);
  const key = typeof from.key === 'string' ? await importPublicKey(from.key, from.algorithm) : from.key;
  const [base] = claim.base;
  const signed = base instanceof Uint8Array && (await verifyWith(key, from.algorithm, claim.signature, base));
  if (!signed) throw new AnswerNotSigned('the signature is not of this key over this answer and its request');
}

function claimProblem({ credential, algorithms, freshness }: SignedClaim, from: AnswerKey, nowMs: number) {
  if (credential !== from.keyid) return `the answer is signed by "${credential}", not by "${from.keyid}"`;
  if (!algorithms.includes(from.algorithm)) return `the answer is not signed with ${from.algorithm}`;
  const good = freshness !== null && freshness.after < nowMs && nowMs <= freshness.until;
  return good ? null : 'the answer was signed too long ago, or by a clock that is ahead';
}

async function digestProblem({ digests }: SignedClaim, body: Uint8Array): Promise<string | null> {
  for (const { algorithm, value } of digests) {
    const actual = await digest(algorithm, body);
    if (actual.length !== value.length || actual.some((byte, i) => byte !== value[i])) {
      return 'the body of the answer is not the one that was signed';
    }
  }
  return null;
}
