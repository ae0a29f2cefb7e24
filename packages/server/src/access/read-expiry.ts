import { type Refusal, refuse } from '@keyhold/protocol/errors';

/** When something ends that somebody gives, epoch milliseconds; null: never. */
export function readExpiry(expiresAt: string | undefined): number | null | Refusal {
  if (expiresAt === undefined) return null;
  const until = Date.parse(expiresAt);
  return Number.isNaN(until) || until < 0 ? refuse('INVALID_INPUT', 'There is no such time.', '/expiresAt') : until;
}
