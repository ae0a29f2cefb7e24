import type { ExchangedToken } from '@keyhold/protocol/operations/workloads';

/** A short-lived token of Keyhold's. */
export interface Exchanged {
  readonly token: string;
  readonly expiresInSeconds: number;
}

/** What was shown opens nothing, or the control plane can't be asked. */
export class ExchangeRefused extends Error {
  override readonly name = 'ExchangeRefused';
  readonly status: number;

  constructor(status: number, description: string) {
    super(description);
    this.status = status;
  }
}

/**
 * Reads the answer of an exchange (RFC 6749 §5).
 * @throws ExchangeRefused
 */
export function readExchanged(status: number, text: string): Exchanged {
  const answer = parse(text);
  const { access_token: token, expires_in: expiresInSeconds } = answer;
  if (status === 200 && token !== undefined && expiresInSeconds !== undefined) return { token, expiresInSeconds };
  throw new ExchangeRefused(status, answer.error_description ?? answer.detail ?? `answered ${status}`);
}

type Answer = Partial<ExchangedToken> & { error_description?: string; detail?: string };

function parse(text: string): Answer {
  try {
    return (JSON.parse(text) as Answer | null) ?? {};
  } catch {
    return {};
  }
}
