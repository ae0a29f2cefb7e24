import type { ReceivedRequest } from './dialect.ts';
import { valuesOf } from './fields.ts';

/** Forms and small JSON are read here before anything is verified, so there is an end to them. */
const LONGEST_BYTES = 1 << 20;

/** A body as text, each byte one character; null where it is longer than this dialect reads. */
export function bodyText(body: Uint8Array): string | null {
  if (body.length > LONGEST_BYTES) return null;
  let text = '';
  for (let start = 0; start < body.length; start += 8192) {
    text += String.fromCharCode(...body.subarray(start, start + 8192));
  }
  return text;
}

/**
 * Whether the body is said to be JSON, as who is behind us reads it: by its media type, whatever parameters come with
 * it (RFC 9110 §8.3.1). Null where it is said twice: then nobody knows which one counts.
 */
export function isSaidJson(request: Pick<ReceivedRequest, 'headers'>): boolean | null {
  const said = valuesOf(request, 'content-type');
  if (said.length > 1) return null;
  return /^\s*application\/(?:[^\s;,]+\+)?json\s*(?:;|$)/i.test(said[0] ?? '');
}
