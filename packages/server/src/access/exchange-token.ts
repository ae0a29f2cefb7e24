import type { Refusal } from '@keyhold/protocol/errors';
import { CERTIFICATE_ISSUER } from '@keyhold/protocol/operations/workloads';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { type Admitted, type Admitting, admitWorkload, OPENS_NOTHING } from './admit-workload.ts';
import type { Claims } from './workload.ts';

export interface Exchanging extends Admitting {
  /** Who says that he made it, unverified; null where it is no such token. */
  readonly issuerOf: (jwt: string) => string | null;
  /** Claims of a token that this workload's issuer made for it; null where it did not, or can't be asked. */
  readonly verify: (jwt: string, workload: WorkloadRow) => Promise<Claims | null>;
}

/**
 * Exchanges a token of a trusted issuer for a short-lived one of ours, of the one workload that it is of.
 * @param wanted id of the workload, where a token is of several
 */
export async function exchangeToken(
  context: Exchanging,
  ip: string,
  jwt: string,
  wanted: string | undefined,
): Promise<Admitted | Refusal> {
  const issuer = context.issuerOf(jwt);
  // Nobody signs tokens in the name of certificates, whose workloads have no audience either.
  if (issuer === null || issuer === CERTIFICATE_ISSUER) return OPENS_NOTHING;
  const claimsFor = (workload: WorkloadRow) => context.verify(jwt, workload);
  // Parts of a CI system's claims have colons between them.
  const reading = { kept: ['sub', 'jti'], separators: ':', untilMs: Number.POSITIVE_INFINITY };
  return await admitWorkload(context, { issuer, claimsFor, ip, wanted, wantedBy: 'workload', ...reading });
}
