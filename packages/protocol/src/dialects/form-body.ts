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

/** True where the body is said to be JSON: nobody behind us reads a form in it then. */
export function isSaidJson(request: Pick<ReceivedRequest, 'headers'>): boolean {
  return valuesOf(request, 'content-type').some((value) => /json/i.test(value));
}
