import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { nowOf, type Signer, signRequest } from './sign-request.ts';
import { type AnswerKey, AnswerNotSigned, verifyAnswer } from './verify-answer.ts';

/**
 * A `fetch` that signs every request. Bodies are read whole before they are sent: a signature is over all of a body.
 * A redirect is not followed: what was signed for one address is not for another.
 * @param fetch default: the global one
 * @param answersFrom whose answers alone are handed on; what another says, or nobody signed, rejects with AnswerNotSigned.
 * It asks for answers that are not compressed, where the caller asks for nothing else: what is signed is what was sent
 * (RFC 9530 §2), and `fetch` hands over only what that unpacks to. In browsers pages can't ask.
 */
export function createSigningFetch(
  signer: Signer,
  fetch: typeof globalThis.fetch = globalThis.fetch,
  answersFrom?: AnswerKey,
) {
  return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const body = new Uint8Array(await request.arrayBuffer());
    const { method, url } = request;
    const headers = [...request.headers];
    if (answersFrom !== undefined && !request.headers.has('accept-encoding')) {
      headers.push(['accept-encoding', 'identity']);
    }
    const signed = await signRequest(signer, { method, url, headers, body });
    // What more the caller wants of his runtime: credentials, a cache, a dispatcher. The body is no stream any more.
    const { body: _, duplex: __, ...others } = (init ?? {}) as RequestInit & { duplex?: unknown };
    const response = await fetch(signed.url, {
      ...others,
      method: signed.method,
      headers: signed.headers.map(([name, value]): [string, string] => [name, value]),
      ...(signed.body.length === 0 ? {} : { body: new Uint8Array(signed.body) }),
      redirect: 'manual',
      signal: request.signal,
    });
    return answersFrom === undefined ? response : await believed(response, signed, answersFrom, nowOf(signer));
  };
}

/** Reads all of it first: until its end nobody knows whether a body is the signed one. */
async function believed(
  response: Response,
  signed: OutgoingRequest,
  from: AnswerKey,
  nowMs: number,
): Promise<Response> {
  const body = new Uint8Array(await response.arrayBuffer());
  const coding = response.headers.get('content-encoding');
  if (coding !== null) throw new AnswerNotSigned(`the answer came as ${coding}, so its digest can't be checked`);
  await verifyAnswer(from, { status: response.status, headers: response.headers, body }, signed, nowMs);
  return new Response(body.length === 0 ? null : body, response);
}
