import { type Signer, signRequest } from './sign-request.ts';

/**
 * A `fetch` that signs every request. Bodies are read whole before they are sent: a signature is over all of a body.
 * A redirect is not followed: what was signed for one address is not for another.
 * @param fetch default: the global one
 */
export function createSigningFetch(signer: Signer, fetch: typeof globalThis.fetch = globalThis.fetch) {
  return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const body = new Uint8Array(await request.arrayBuffer());
    const { method, url, headers } = request;
    const signed = await signRequest(signer, { method, url, headers: [...headers], body });
    return await fetch(signed.url, {
      method: signed.method,
      headers: signed.headers.map(([name, value]): [string, string] => [name, value]),
      ...(signed.body.length === 0 ? {} : { body: new Uint8Array(signed.body) }),
      redirect: 'manual',
      signal: request.signal,
    });
  };
}
