/** What canonical JSON can hold. `undefined` members are left out, as `JSON.stringify` does. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

/**
 * RFC 8785 (JSON Canonicalization Scheme). Numbers and strings are serialised by ECMAScript itself, which is what
 * §3.2.2 prescribes; members are sorted by UTF-16 code units (§3.2.3), which is what `sort()` does.
 * @throws TypeError for numbers that are not finite and strings with lone surrogates (§3.2.2.2).
 */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null || !isOrdered(value)) return written(value);
  const text = JSON.stringify(value);
  // ECMAScript escapes a lone surrogate, which §3.2.2.2 wants refused. Others may write that escape out: look again.
  return text.includes('\\ud') ? written(value) : text;
}

/** True when its members are in order already, and ECMAScript serialises all of it as §3.2 prescribes. */
function isOrdered(value: Json): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return areOrdered(value);
  let before = '';
  for (const name in value) {
    const member = (value as { readonly [name: string]: Json | undefined })[name];
    if (name <= before || (member !== undefined && !isOrdered(member))) return false;
    before = name;
  }
  return true;
}

function areOrdered(values: readonly Json[]): boolean {
  for (const value of values) if (!isOrdered(value)) return false;
  return true;
}

function written(value: Json): string {
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON has no number that is not finite');
    // ECMAScript's Number::toString is what §3.2.2.3 prescribes; of -0 it makes 0.
    return `${value}`;
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return canonicalArray(value);
  return canonicalObject(value as { readonly [name: string]: Json | undefined });
}

function canonicalArray(value: readonly Json[]): string {
  let items = '';
  for (const item of value) items += `${items === '' ? '' : ','}${written(item)}`;
  return `[${items}]`;
}

function canonicalObject(value: { readonly [name: string]: Json | undefined }): string {
  let members = '';
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member === undefined) continue;
    members += `${members === '' ? '' : ','}${canonicalName(name)}:${written(member)}`;
  }
  return `{${members}}`;
}

/** Names are few and come again in every row and leaf. Metadata may bring any, so what is kept has a bound. */
const canonicalNames = new Map<string, string>();
const MAX_NAMES = 500;

function canonicalName(name: string): string {
  let text = canonicalNames.get(name);
  if (text === undefined) {
    text = canonicalString(name);
    if (canonicalNames.size < MAX_NAMES) canonicalNames.set(name, text);
  }
  return text;
}

/** Nothing in it needs an escape (§3.2.2.2): ASCII without control characters, `"` and `\`. */
const PLAIN = /^[ !#-[\]-~]*$/;

function canonicalString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError('canonical JSON has no lone surrogates');
  return JSON.stringify(text);
}
