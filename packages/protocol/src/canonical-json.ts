/** What canonical JSON can hold. `undefined` members are left out, as `JSON.stringify` does. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

/**
 * RFC 8785 (JSON Canonicalization Scheme). Numbers and strings are serialised by ECMAScript itself, which is what
 * §3.2.2 prescribes; members are sorted by UTF-16 code units (§3.2.3), which is what `sort()` does.
 * @throws TypeError for numbers that are not finite and strings with lone surrogates (§3.2.2.2).
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('canonical JSON has no number that is not finite');
    return JSON.stringify(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  return canonicalObject(value as { readonly [name: string]: Json | undefined });
}

function canonicalObject(value: { readonly [name: string]: Json | undefined }): string {
  let members = '';
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member === undefined) continue;
    members += `${members === '' ? '' : ','}${canonicalString(name)}:${canonicalJson(member)}`;
  }
  return `{${members}}`;
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('canonical JSON has no lone surrogates');
  return JSON.stringify(text);
}
