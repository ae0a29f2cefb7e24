import {
  ACK_HEADER,
  ACK_LEVELS,
  type AckLevel,
  ENTRY_HEADER,
  LATER_ACK_LEVELS,
} from '@keyhold/protocol/acknowledgement';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Waits, for a bounded time, until the log is that far with an entry, and says how far it is. Without a sequence: with
 * all that was committed until now.
 */
export type Acknowledge = (sequence: number | undefined, level: AckLevel) => Promise<AckLevel>;

const DEFAULT_LEVEL: AckLevel = 'durable';

/** The level that a request asks for, or why it can't be had; before anything is done. */
export function levelAskedFor(request: FastifyRequest): AckLevel | Refusal {
  const asked = request.headers[ACK_HEADER] ?? DEFAULT_LEVEL;
  const level = ACK_LEVELS.find((known) => known === asked);
  if (level !== undefined) return level;
  const later = LATER_ACK_LEVELS.find((known) => known === asked);
  const detail = later === undefined ? `It takes ${ACK_LEVELS.join(', ')}.` : `${later} is not available yet.`;
  return refuse('INVALID_INPUT', detail, 'Keyhold-Ack');
}

/** Says on an answer which entry what was done has, and where its receipt is. */
export function nameEntry(reply: FastifyReply, sequence: number): void {
  reply.header(ENTRY_HEADER, String(sequence));
  reply.header('link', `</v1/audit/entries/${sequence}/receipt>; rel="receipt"`);
}

/** Says on the answer of a change which entry it has, and how far the log is with it. Never an error: it is made. */
export async function tellAcknowledgement(
  reply: FastifyReply,
  acknowledge: Acknowledge,
  sequence: number | undefined,
  level: AckLevel,
): Promise<void> {
  if (sequence !== undefined) nameEntry(reply, sequence);
  reply.header(ACK_HEADER, await acknowledge(sequence, level));
}
