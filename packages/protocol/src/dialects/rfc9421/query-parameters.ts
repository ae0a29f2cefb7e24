/**
 * Named parameters of a query, names and values encoded in the one way of RFC 9421 §2.2.8. Null where a name stands
 * more than once (such a one must not be covered), or where its name or value is not UTF-8: two of those could look
 * alike.
 * @param query with its `?`, or empty; ASCII
 */
export function queryParameters(query: string): ReadonlyMap<string, string | null> {
  const parameters = new Map<string, string | null>();
  // WHATWG URL, application/x-www-form-urlencoded parsing.
  for (const pair of query.slice(1).split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = normal(at < 0 ? pair : pair.slice(0, at));
    if (name !== null) parameters.set(name, parameters.has(name) ? null : normal(at < 0 ? '' : pair.slice(at + 1)));
  }
  return parameters;
}

/** Decoded, and "percent-encode after encoding" of the form serialiser: `+` and `%20` are both `%20`. */
function normal(written: string): string | null {
  const bytes = decode(written.replaceAll('+', ' '));
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
  return Array.from(bytes, encode).join('');
}

function decode(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const code = /^%[0-9a-f]{2}$/i.test(text.slice(at, at + 3)) ? Number.parseInt(text.slice(at + 1, at + 3), 16) : -1;
    bytes.push(code < 0 ? text.charCodeAt(at) : code);
    if (code >= 0) at += 2;
  }
  return Uint8Array.from(bytes);
}

function encode(byte: number): string {
  const char = String.fromCharCode(byte);
  return /[A-Za-z0-9*._-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
