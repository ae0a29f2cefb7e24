import { type Refusal, refuse } from '@keyhold/protocol/errors';

/** When something ends that somebody gives, epoch milliseconds; null: never. */
export function readExpiry(expiresAt: string | undefined): number | null | Refusal {
  if (expiresAt === undefined) return null;
  const until = Date.parse(expiresAt);
  return Number.isNaN(until) || until < 0 ? refuse('INVALID_INPUT', 'There is no such time.', '/expiresAt') : until;
}

/**
 * Refuses an end that is over. Asked within the change: a call that is repeated has been done, and may come after the
 * end of what it made.
 */
export function refusePast(expiresAt: number | null, nowMs: number): Refusal | null {
  return expiresAt === null || expiresAt > nowMs ? null : refuse('INVALID_INPUT', 'This time is past.', '/expiresAt');
}
