import type { FieldLine, OutgoingRequest, ReceivedRequest, SigningContext, SigningTask } from '../dialect.ts';
import { type Component, textParameter } from './component.ts';
import { coversDigest, writeDigest } from './content-digest.ts';
import { requestMessage } from './message.ts';
import { checkAlgorithm, signingTask } from './signing.ts';

/** What to put into a request's signature. */
export interface WantedSignature {
  readonly label: string;
  readonly components: readonly Component[];
  readonly tag?: string | undefined;
  /** Left out: a fresh one. */
  readonly nonce?: string | undefined;
  /** Epoch seconds. */
  readonly expires?: number | undefined;
}

/**
 * Makes what is signed of a request, with a Content-Digest where one is to be covered. What `attach` gives is what has
 * to be sent: its URL is the one that goes over the wire.
 * @throws TypeError where the request is signed already, or has not what is to be covered
 */
export async function prepareRequest(
  request: OutgoingRequest,
  context: SigningContext,
  wanted: WantedSignature,
): Promise<SigningTask> {
  checkAlgorithm(context.algorithm);
  if (has(request.headers, 'signature-input') || has(request.headers, 'signature')) {
    throw new TypeError('the request is signed already');
  }
  const outgoing = await withDigest(normalised(request), context, wanted.components);
  const task = signingTask(requestMessage(asReceived(outgoing)), wanted.label, wanted.components, {
    created: Math.floor(context.nowMs / 1000),
    keyid: context.credential,
    alg: context.algorithm,
    nonce: wanted.nonce ?? context.nonce.text,
    ...(wanted.expires === undefined ? {} : { expires: wanted.expires }),
    ...(wanted.tag === undefined ? {} : { tag: wanted.tag }),
  });
  return {
    base: [task.base],
    secretEncoding: 'base64',
    ecdsaEncoding: 'ieee-p1363',
    attach: (signature) => ({ ...outgoing, headers: [...outgoing.headers, ...task.fields(signature)] }),
  };
}

/** What `fetch` and its like make of method and URL before they send them (WHATWG Fetch §2.2.1, URL §4.5). */
function normalised(request: OutgoingRequest): OutgoingRequest {
  const url = new URL(request.url);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new TypeError('only https and http can be signed');
  if (url.username !== '' || url.password !== '') throw new TypeError('a signed URL has no user information');
  const method = /^(?:delete|get|head|options|post|put)$/i.test(request.method)
    ? request.method.toUpperCase()
    : request.method;
  // Without fragment, and without a `?` before nothing, which clients send or drop.
  return { ...request, method, url: url.origin + url.pathname + url.search };
}

/** The digest of the body as it is, in place of one that was there. */
async function withDigest(
  request: OutgoingRequest,
  context: SigningContext,
  components: readonly Component[],
): Promise<OutgoingRequest> {
  const covering = components.filter(coversDigest);
  if (covering.length === 0) return request;
  const algorithm = covering.some((one) => textParameter(one, 'key') === 'sha-512') ? 'sha-512' : 'sha-256';
  const value = await context.digest(algorithm, request.body);
  const others = request.headers.filter(([name]) => name.toLowerCase() !== 'content-digest');
  return { ...request, headers: [...others, ['Content-Digest', writeDigest({ algorithm, value })]] };
}

/** A request as a server will see it. */
export function asReceived({ method, url, headers, body }: OutgoingRequest): ReceivedRequest {
  const { protocol, host, pathname, search } = new URL(url);
  return {
    method,
    target: pathname + search,
    scheme: protocol === 'https:' ? 'https' : 'http',
    headers: has(headers, 'host') ? headers : [['Host', host], ...headers],
    body,
  };
}

function has(headers: readonly FieldLine[], wanted: string): boolean {
  return headers.some(([name]) => name.toLowerCase() === wanted);
}
