import type { Refusal } from '@keyhold/protocol/errors';
import { CERTIFICATE_ISSUER } from '@keyhold/protocol/operations/workloads';
import { type Admitted, type Admitting, admitWorkload } from './admit-workload.ts';
import type { Claims } from './workload.ts';

/**
 * Exchanges the certificate of a connection for a short-lived token of ours, of the one workload that it is of (RFC 8705
 * §2).
 * @param names what the certificate says, once it is known to be good
 * @param wanted id of the workload, where a certificate is of several
 */
export async function exchangeCertificate(
  context: Admitting,
  ip: string,
  names: Claims,
  wanted: string | undefined,
): Promise<Admitted | Refusal> {
  return await admitWorkload(context, { issuer: CERTIFICATE_ISSUER, claimsFor: async () => names, ip, wanted });
}
