import type { FieldLine, Malformed, ReceivedRequest } from './dialect.ts';

export function malformed(text: string): Malformed {
  return { malformed: text };
}

/** Values of fields, each of which stands once; those of `optional` may be missing. */
export function readFields<R extends string, O extends string = never>(
  request: ReceivedRequest,
  required: readonly R[],
  optional: readonly O[] = [],
): (Readonly<Record<R, string>> & Readonly<Partial<Record<O, string>>>) | Malformed {
  const values: Record<string, string> = {};
  for (const name of [...required, ...optional]) {
    const value = onlyValueOf(request, name);
    // Servers behind us pick the first, the last or both; whichever they pick, it would not be ours for certain.
    if (value === null) return malformed(`${name} is there more than once`);
    if (value !== undefined) values[name] = value;
    else if ((required as readonly string[]).includes(name)) return malformed(`${name} is missing`);
  }
  return values as Record<R, string> & Partial<Record<O, string>>;
}

/** Undefined where there is none, null where there are more. */
function onlyValueOf({ headers }: Pick<ReceivedRequest, 'headers'>, name: string): string | undefined | null {
  let found: string | undefined;
  for (const [given, value] of headers) {
    if (!isSameName(given, name)) continue;
    if (found !== undefined) return null;
    found = value;
  }
  return found;
}

/** Names are compared without case (RFC 9110 §5.1). */
export function valuesOf({ headers }: Pick<ReceivedRequest, 'headers'>, name: string): string[] {
  return headers.filter(([given]) => isSameName(given, name)).map(([, value]) => value);
}

/** Most names differ in their length already. */
function isSameName(a: string, b: string): boolean {
  return a.length === b.length && (a === b || a.toLowerCase() === b.toLowerCase());
}

/** True where one of the fields is there. */
export function hasField(request: ReceivedRequest, ...names: readonly string[]): boolean {
  return names.some((name) => request.headers.some(([given]) => isSameName(given, name)));
}

/** The lines with these in the place of any of the same names. */
export function withFields(headers: readonly FieldLine[], added: readonly FieldLine[]): FieldLine[] {
  const names = new Set(added.map(([name]) => name.toLowerCase()));
  return [...headers.filter(([name]) => !names.has(name.toLowerCase())), ...added];
}

/** Ids of credentials are visible ASCII, so that a text has one way to be bytes, and an end. */
export function isCredential(text: string): boolean {
  return /^[\x21-\x7e]{1,256}$/.test(text);
}

/** Methods are compared with their case (RFC 9110 §9.1); all that are registered and more than letters have no use here. */
export function isMethod(text: string): boolean {
  return /^[A-Z]{1,32}$/.test(text);
}
