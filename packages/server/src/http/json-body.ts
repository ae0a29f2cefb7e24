import { isUtf8 } from 'node:buffer';
import { type Refusal, refuse } from '@keyhold/protocol/errors';

/** No operation takes anything nested deeper; it also bounds every recursion over a body. */
const MAX_DEPTH = 32;

/** Reads a JSON body, or says what is wrong with it. Empty is `undefined`. */
export function parseJsonBody(bytes: Buffer): { value: unknown } | Refusal {
  if (bytes.length === 0) return { value: undefined };
  if (!isUtf8(bytes)) return refuse('INVALID_JSON', 'The body is not UTF-8.');
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('INVALID_JSON', 'The body does not parse as JSON.');
  }
  const bad = isPlain(value, 0) ? undefined : findBadText(value, '', 0);
  // Read a second time only now that it is known not to be nested without end.
  return bad ?? { value: MAY_ROUND.test(text) ? noteRounded(text) : value };
}

/** A number of so many digits that a double may not hold them (it holds 15 always), or with an exponent. */
const MAY_ROUND = /[[:,]\s*-?(?:\d[\d.]{15}|[\d.]+[eE])/;

/** What holds a number that is not the one in the text, and under which name. */
const rounded = new WeakMap<object, string>();

function noteRounded(text: string): unknown {
  const note = function (this: object, name: string, value: unknown, context?: { readonly source?: string }): unknown {
    if (typeof value === 'number' && decimal(context?.source ?? '') !== decimal(`${value}`)) rounded.set(this, name);
    return value;
  };
  return JSON.parse(text, note);
}

/** Sign, digits and power of ten of a number: the same for all ways to spell it (RFC 8259 §6). */
function decimal(text: string): string {
  const [, sign, whole = '', fraction = '', power] = NUMBER.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  if (end === 0) return '0';
  return `${sign}${digits.slice(0, end)}e${Number(power ?? 0) - fraction.length + digits.length - end}`;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/;

/** The first number in what a body held that would not come back as it was sent: a double does not hold it. */
export function findRounded(value: unknown, path: string): Refusal | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const name = rounded.get(value);
  if (name !== undefined) {
    const field = `${path}/${printable(name)}`;
    return refuse('INVALID_INPUT', `The number at ${field} would come back as another one: write it as text.`, field);
  }
  for (const [inner, member] of Object.entries(value)) {
    const found = findRounded(member, `${path}/${printable(inner)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** True for what {@link findBadText} finds nothing in; says so without making the path of every field. */
function isPlain(value: unknown, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  if (typeof value === 'string') return PRINTABLE_ASCII.test(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth + 1));
  for (const name of Object.keys(value)) {
    if (isReserved(name) || !PRINTABLE_ASCII.test(name)) return false;
    if (!isPlain((value as Record<string, unknown>)[name], depth + 1)) return false;
  }
  return true;
}

const PRINTABLE_ASCII = /^[ -~]*$/;

function isReserved(name: string): boolean {
  return name === '__proto__' || name === 'constructor' || name === 'prototype';
}

/**
 * Looks for what no store can hold and no program should be handed: NUL, lone surrogates, the names that reach into
 * prototypes, bottomless nesting.
 */
export function findBadText(value: unknown, path: string, depth: number): Refusal | undefined {
  if (depth > MAX_DEPTH) return refuse('INVALID_INPUT', `Nested deeper than ${MAX_DEPTH}.`, path || '/');
  if (typeof value === 'string') return badString(value, path);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return refuse('INVALID_INPUT', 'This number is too large.', path || '/');
  }
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const field = `${path}/${printable(name)}`;
    if (isReserved(name)) {
      return refuse('INVALID_INPUT', `"${name}" is not a name that a field can have.`, field);
    }
    const bad = badString(name, field) ?? findBadText(member, field, depth + 1);
    if (bad !== undefined) return bad;
  }
  return undefined;
}

function badString(text: string, path: string): Refusal | undefined {
  if (text.includes('\0')) return refuse('INVALID_INPUT', 'Text must not contain NUL characters.', path || '/');
  if (!text.isWellFormed()) return refuse('INVALID_INPUT', 'Text must not contain lone surrogates.', path || '/');
  return undefined;
}

/** A field name as it may be repeated in an error. Every name of ours is a short word; anything else may be a secret. */
export function printable(name: string): string {
  return /^[A-Za-z][A-Za-z0-9]{0,19}$/.test(name) || /^[0-9]{1,4}$/.test(name) ? name : '?';
}

const rawBodies = new WeakMap<object, Buffer>();

/** Whoever confirms a request confirms its bytes. */
export function keepRawBody(request: object, bytes: Buffer): void {
  rawBodies.set(request, bytes);
}

/** Empty where none was sent. */
export function rawBodyOf(request: object): Buffer {
  return rawBodies.get(request) ?? Buffer.alloc(0);
}
