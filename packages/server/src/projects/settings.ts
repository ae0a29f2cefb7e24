import type { RateLimit } from '@keyhold/protocol/feed';
import { type Refusal, refuse } from '@keyhold/protocol/errors';

/** Rules for settings that keys and consumers share. */

const MAX_METADATA_BYTES = 4096;
const MAX_METADATA_DEPTH = 5;

export function checkRateLimits(limits: readonly RateLimit[] | undefined): Refusal | null {
  const names = limits?.map(({ name }) => name) ?? [];
  const repeated = names.findIndex((name, i) => names.indexOf(name) !== i);
  return repeated < 0 ? null : refuse('INVALID_INPUT', 'Another limit has this name.', `/rateLimits/${repeated}/name`);
}

export function checkMetadata(metadata: Readonly<Record<string, unknown>> | null | undefined): Refusal | null {
  if (metadata == null) return null;
  if (depthOf(metadata) > MAX_METADATA_DEPTH) {
    return refuse('INVALID_INPUT', `Nested deeper than ${MAX_METADATA_DEPTH}.`, '/metadata');
  }
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= MAX_METADATA_BYTES) return null;
  return refuse('INVALID_INPUT', `${bytes} bytes of JSON; ${MAX_METADATA_BYTES} is the most.`, '/metadata');
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
