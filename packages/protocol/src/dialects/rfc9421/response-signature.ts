import type { FieldLine, Malformed, ReceivedRequest, SignatureAlgorithm, SignedClaim } from '../dialect.ts';
import { parseComponents } from './component.ts';
import { coversDigest } from './content-digest.ts';
import { isRefused } from './malformed.ts';
import { type ReceivedResponse, responseMessage } from './message.ts';
import { readSignature } from './read-signature.ts';
import { checkAlgorithm, componentsNamed, type SignatureTask, signingTask } from './signing.ts';

/**
 * What a response's signature covers where nobody says otherwise: an answer to this request, and to no other
 * (RFC 9421 §2.4). The digest of its body comes to these.
 */
export const RESPONSE_COMPONENTS: readonly string[] = ['@status', '"@method";req', '"@target-uri";req'];

/** And to a request that is signed: to that one, not to another of the same address (RFC 9421 §2.4). */
export const REQUEST_SIGNATURE = '"signature";req';

/** How a server signs. */
export interface ResponseSigning {
  readonly keyid: string;
  readonly algorithm: SignatureAlgorithm;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  readonly label?: string;
  /** As RFC 9421 §2 writes them. */
  readonly components?: readonly string[];
  readonly nonce?: string;
  readonly tag?: string;
}

/** What a client asks of a response's signature. */
export interface ResponseRules {
  /** As RFC 9421 §2 writes them. */
  readonly components?: readonly string[];
  readonly maxAgeSeconds: number;
  readonly tag?: string;
}

/**
 * Makes what a server signs of its response. A body has to come with a Content-Digest, which is then covered.
 * @param request as it came, for components with `req`
 * @throws TypeError where response or request has not what is to be covered
 */
export function prepareResponse(
  response: { readonly status: number; readonly headers: readonly FieldLine[] },
  request: ReceivedRequest,
  signing: ResponseSigning,
): SignatureTask {
  const { keyid, algorithm, nowMs, nonce, tag, label = 'sig1', components = RESPONSE_COMPONENTS } = signing;
  checkAlgorithm(algorithm);
  const digest = response.headers.some(([name]) => name.toLowerCase() === 'content-digest') ? ['content-digest'] : [];
  const wanted = componentsNamed(components);
  const named = wanted.some(coversDigest) ? wanted : [...wanted, ...componentsNamed(digest)];
  return signingTask(responseMessage({ ...response, body: null }, request), label, named, {
    created: Math.floor(nowMs / 1000),
    keyid,
    alg: algorithm,
    ...(nonce === undefined ? {} : { nonce }),
    ...(tag === undefined ? {} : { tag }),
  });
}

/**
 * What a signed response claims, for a client to verify with the server's key.
 * @param request as the client sent it, signature and all; as it should have arrived
 */
export function readResponse(
  response: ReceivedResponse,
  request: ReceivedRequest,
  rules: ResponseRules,
): SignedClaim | Malformed {
  const components = parseComponents(rules.components ?? RESPONSE_COMPONENTS);
  if (isRefused(components)) return components;
  return readSignature(responseMessage(response, request), {
    components,
    maxAgeSeconds: rules.maxAgeSeconds,
    tag: rules.tag,
    nonceRequired: false,
  });
}
