import { packNetworks } from '@keyhold/verifier/networks';
import { type Refusal, refuse } from '@keyhold/protocol/errors';

/** Networks that can be read, or which one can't and why. */
export function checkNetworks(networks: readonly string[] | undefined): Refusal | null {
  if (networks === undefined) return null;
  const packed = packNetworks(networks);
  if (!('error' in packed)) return null;
  return refuse('INVALID_INPUT', packed.error, `/allowedNetworks/${packed.index}`);
}

/** Latest time that is taken: the end of the year 9999, which every client can read. */
export const LATEST_MS = Date.UTC(10_000, 0, 1) - 1;

/** Epoch milliseconds of an RFC 3339 text whose form is already checked; null for "not set". */
export function readTime(text: string | null | undefined, field: string): number | null | Refusal {
  if (text == null) return null;
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || ms < 0 || ms > LATEST_MS) return refuse('INVALID_INPUT', 'There is no such time.', field);
  return ms;
}

/** Refuses a period that is over before it began, or already. */
export function checkPeriod(startsAt: number | null, expiresAt: number | null, nowMs: number): Refusal | null {
  if (expiresAt === null) return null;
  if (expiresAt <= nowMs)
    return refuse('INVALID_INPUT', 'This time is past; to end a key now, revoke it.', '/expiresAt');
  if (startsAt !== null && expiresAt <= startsAt) {
    return refuse('INVALID_INPUT', 'The key would end before it starts.', '/expiresAt');
  }
  return null;
}
