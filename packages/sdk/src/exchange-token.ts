import { EXCHANGE_GRANT, EXCHANGE_PATH, JWT_TYPE } from '@keyhold/protocol/operations/workloads';
import { addressOf } from './address.ts';
import { type Exchanged, readExchanged } from './exchanged.ts';

/**
 * Exchanges a workload's own token (of its CI system, its cluster) for a short-lived one of Keyhold's.
 * @param workload its id, where the token is of several
 * @throws ExchangeRefused
 */
export async function exchangeToken(
  { url, fetch = globalThis.fetch }: { readonly url: string; readonly fetch?: typeof globalThis.fetch },
  jwt: string,
  workload?: string,
): Promise<Exchanged> {
  const form = new URLSearchParams({
    grant_type: EXCHANGE_GRANT,
    subject_token: jwt,
    subject_token_type: JWT_TYPE,
    ...(workload === undefined ? {} : { workload }),
  });
  const response = await fetch(addressOf(url, EXCHANGE_PATH), {
    method: 'POST',
    body: form,
    // What is shown is for this address alone.
    redirect: 'manual',
    signal: AbortSignal.timeout(30_000),
  });
  return readExchanged(response.status, await response.text());
}
