import type { Refusal } from '@keyhold/protocol/errors';
import { CERTIFICATE_ISSUER } from '@keyhold/protocol/operations/workloads';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { type Admitted, type Admitting, admitWorkload } from './admit-workload.ts';
import type { Claims } from './workload.ts';

/** Parts of names have these between them. */
const SEPARATORS = ':/.@';

/** A certificate, once it is known to be good. */
export interface ShownCertificate {
  readonly names: Claims;
  /** Epoch milliseconds. */
  readonly untilMs: number;
}

/**
 * Exchanges the certificate of a connection for a short-lived token of ours, of the one workload that it is of (RFC 8705
 * §2). The token ends with the certificate, if not before.
 * @param wanted id of the workload, where a certificate is of several
 */
export async function exchangeCertificate(
  context: Admitting,
  ip: string,
  { names, untilMs }: ShownCertificate,
  wanted: string | undefined,
): Promise<Admitted | Refusal> {
  // A workload with an audience is one of tokens, whatever its issuer is called.
  const claimsFor = async ({ audience }: WorkloadRow) => (audience === '' ? names : null);
  const reading = { kept: ['fingerprint'], separators: SEPARATORS, untilMs };
  const who = { issuer: CERTIFICATE_ISSUER, claimsFor, ip, wanted, wantedBy: 'client_id' };
  return await admitWorkload(context, { ...who, ...reading });
}
