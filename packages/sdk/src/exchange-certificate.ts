import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { CERTIFICATE_GRANT, EXCHANGE_PATH } from '@keyhold/protocol/operations/workloads';
import { addressOf } from './address.ts';
import { type Exchanged, readExchanged } from './exchanged.ts';

const TIMEOUT_MS = 30_000;

/** What a service shows, and to whom; everything in PEM. */
export interface ClientCertificate {
  /** Where the control plane takes certificates: by https, at a port of its own. */
  readonly url: string;
  /** The certificate, then those between it and the authority that is trusted there. */
  readonly certificate: string;
  readonly key: string;
  /** Authorities to trust at the control plane; else those that Node trusts. */
  readonly ca?: string;
}

/**
 * Exchanges a service's certificate for a short-lived token of Keyhold's (RFC 8705 §2). The key stays here.
 * @param workload its id, where the certificate is of several
 * @throws ExchangeRefused; TimeoutError after 30 s; what `node:https` says where it can't connect
 */
export async function exchangeCertificate(
  { url, certificate, key, ca }: ClientCertificate,
  workload?: string,
): Promise<Exchanged> {
  const form = new URLSearchParams({
    grant_type: CERTIFICATE_GRANT,
    ...(workload === undefined ? {} : { client_id: workload }),
  });
  const sent = request(addressOf(url, EXCHANGE_PATH), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    // A connection of its own: what comes later is opened by the token alone.
    agent: false,
    ...{ cert: certificate, key, ca, minVersion: 'TLSv1.3' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  sent.end(form.toString());
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return readExchanged(response.statusCode ?? 0, await text(response));
  } catch (error) {
    // As `fetch` says it: a TimeoutError.
    throw (error as Error).name === 'AbortError' ? ((error as Error).cause ?? error) : error;
  }
}
