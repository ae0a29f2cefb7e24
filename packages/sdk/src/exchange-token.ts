import { EXCHANGE_GRANT, EXCHANGE_PATH, type ExchangedToken, JWT_TYPE } from '@keyhold/protocol/operations/workloads';

/** The other issuer's token opens nothing, or the control plane can't be asked. */
export class ExchangeRefused extends Error {
  override readonly name = 'ExchangeRefused';
  readonly status: number;

  constructor(status: number, description: string) {
    super(description);
    this.status = status;
  }
}

/**
 * Exchanges a workload's own token (of its CI system, its cluster) for a short-lived one of Keyhold's.
 * @param workload its id, where the token is of several
 * @throws ExchangeRefused
 */
export async function exchangeToken(
  { url, fetch = globalThis.fetch }: { readonly url: string; readonly fetch?: typeof globalThis.fetch },
  jwt: string,
  workload?: string,
): Promise<{ readonly token: string; readonly expiresInSeconds: number }> {
  const form = new URLSearchParams({
    grant_type: EXCHANGE_GRANT,
    subject_token: jwt,
    subject_token_type: JWT_TYPE,
    ...(workload === undefined ? {} : { workload }),
  });
  const response = await fetch(new URL(EXCHANGE_PATH, url), {
    method: 'POST',
    body: form,
    signal: AbortSignal.timeout(30_000),
  });
  const answer = (await response.json().catch(() => ({}))) as Partial<ExchangedToken> & {
    error_description?: string;
    detail?: string;
  };
  const { access_token: token, expires_in: expiresInSeconds } = answer;
  if (!response.ok || token === undefined || expiresInSeconds === undefined) {
    throw new ExchangeRefused(
      response.status,
      answer.error_description ?? answer.detail ?? `answered ${response.status}`,
    );
  }
  return { token, expiresInSeconds };
}
