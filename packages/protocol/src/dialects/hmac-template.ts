import type { HmacSettings } from './settings.ts';

type Part = HmacSettings['signed'][number];

/**
 * What is wrong with the settings of an HMAC scheme of one's own; null where nothing is. INVARIANT: with settings that
 * pass, two requests that differ in what is signed never have one text.
 */
export function hmacSettingsFault(settings: HmacSettings): string | null {
  const { signed, nonceHeader } = settings;
  const has = (name: Part) => signed.includes(name);
  const names = [settings.credentialHeader, settings.signatureHeader, settings.timestampHeader, nonceHeader ?? ''];
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length) return 'two of the headers are one';
  if (!has('timestamp')) return 'the timestamp is not signed';
  if (!has('method')) return 'the method is not signed';
  if (!has('path') && !has('target')) return 'the path is not signed';
  if (has('nonce') !== (nonceHeader !== undefined)) return 'the nonce has a header and is signed, or neither';
  if (has('body') && has('body-sha256-hex')) return 'the body is signed twice';
  for (const [index, part] of signed.entries()) {
    const next = signed[index + 1];
    if (next !== undefined && !isEndKnown(part, signed.slice(index + 1))) {
      return `between ${nameOf(part)} and ${nameOf(next)} nothing tells where the one ends`;
    }
  }
  return null;
}

/** Of one length, or ended by what they are: another credential has another secret. */
const FIXED: readonly Part[] = ['credential', 'timestamp', 'body-sha256-hex'];

function isFixed(part: Part): boolean {
  return typeof part === 'object' || FIXED.includes(part);
}

function isEndKnown(part: Part, rest: readonly Part[]): boolean {
  const next = rest.find((part) => typeof part === 'string' || part.text !== '');
  if (next === undefined || isFixed(part)) return true;
  // What a body has inside is anybody's choice, so all that follows has to be countable from the end.
  if (part === 'body') return rest.every(isFixed);
  if (typeof next === 'object') return isOutside(part, next.text[0] ?? '');
  if (part === 'method') return next === 'path' || next === 'target' || next === 'timestamp';
  // Per request, see isBodyApart: a body that follows has to begin with a brace or a bracket.
  return part !== 'nonce' && next === 'body';
}

/** True where a separator cannot be a character of the part itself. */
function isOutside(part: Part, separator: string): boolean {
  if (part === 'method') return !/[A-Z]/.test(separator);
  return !/[\x21-\x7e]/.test(separator) || (part === 'path' && separator === '?');
}

function nameOf(part: Part): string {
  return typeof part === 'object' ? JSON.stringify(part.text) : part;
}
