import type { Parameters } from './style.ts';

/**
 * Reads query and body of a request that was verified, or null where a name comes twice: what is signed once must not
 * mean two things.
 */
export function readParameters(query: string, body: Buffer, contentType: string): Parameters | null {
  const text = body.toString('utf8');
  const inBody = /json/i.test(contentType) || /^\s*[{[]/.test(text) ? fromJson(text) : fromForm(text);
  const inQuery = fromForm(query);
  if (inBody === null || inQuery === null) return null;
  for (const name of Object.keys(inQuery)) if (Object.hasOwn(inBody, name)) return null;
  return { ...inQuery, ...inBody };
}

function fromForm(text: string): Parameters | null {
  const found: [string, string][] = [...new URLSearchParams(text)];
  const names = new Set(found.map(([name]) => name));
  return names.size === found.length ? Object.fromEntries(found) : null;
}

/** Nested values stay JSON text. */
function fromJson(text: string): Parameters | null {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    // Some send a list of one.
    const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return null;
    const members = Object.entries(one).map(([name, member]) => [name, plain(member)] as const);
    return Object.fromEntries(members);
  } catch {
    return null;
  }
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
