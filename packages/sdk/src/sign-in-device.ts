import type { Response as ResponseOf } from '@keyhold/protocol/operation';
import { signInDevice as operation } from '@keyhold/protocol/operations/sign-in';
import { addressOf } from './address.ts';
import { KeyholdError, problemFrom } from './keyhold-error.ts';

/**
 * Signs a program in as a person, with a code that he made where he is signed in (`/account`). The secret is a bearer
 * token.
 * @throws KeyholdError where the code is none, or not any more; TypeError from fetch when nobody answers
 */
export async function signInDevice(
  { url, fetch = globalThis.fetch }: { readonly url: string; readonly fetch?: typeof globalThis.fetch },
  code: string,
): Promise<ResponseOf<typeof operation>> {
  const response = await fetch(addressOf(url, operation.path), {
    method: operation.method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
    // What is shown is for this address alone.
    redirect: 'manual',
    signal: AbortSignal.timeout(30_000),
  });
  if (!response.ok) throw new KeyholdError(await problemFrom(response));
  return (await response.json()) as ResponseOf<typeof operation>;
}
