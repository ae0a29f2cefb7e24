import type { FieldLine } from '../dialect.ts';
import { parseDictionary } from './parse-structured-field.ts';
import type { Dictionary, Parsed } from './structured-field.ts';

/** Header or trailer fields of one message, found by lower-case name. */
export class Fields {
  readonly #lines = new Map<string, string[]>();
  readonly #dictionaries = new Map<string, Parsed<Dictionary> | null>();

  constructor(lines: readonly FieldLine[]) {
    for (const [name, value] of lines) {
      const key = name.toLowerCase();
      const values = this.#lines.get(key);
      if (values === undefined) this.#lines.set(key, [value]);
      else values.push(value);
    }
  }

  /** Values as received, in order; empty where there is no such field. */
  values(name: string): readonly string[] {
    return this.#lines.get(name) ?? [];
  }

  /** The field's one value, its lines joined (RFC 9421 §2.1); null where there is none, or it is not text in ASCII. */
  combined(name: string): string | null {
    const values = this.values(name).map(unfold);
    return values.length > 0 && values.every(isAsciiLine) ? values.join(', ') : null;
  }

  /** The field as a Dictionary, parsed once however often it is asked for; null where it is none. */
  dictionary(name: string): Parsed<Dictionary> | null {
    let parsed = this.#dictionaries.get(name);
    if (parsed === undefined) {
      const combined = this.combined(name);
      parsed = combined === null ? null : parseDictionary(combined);
      this.#dictionaries.set(name, parsed);
    }
    return parsed;
  }
}

/**
 * A field line without white space around it, and each obsolete fold one space (RFC 9421 §2.1, steps 2 and 3). Null
 * where a line break is no fold: it would begin a line of the signature base that nobody sent.
 */
export function unfold(value: string): string | null {
  // Loops, and no pattern like /[ \t]+$/, whose time is the square of a run of spaces in the middle.
  if (!value.includes('\n')) return trim(value);
  const [first = '', ...folds] = value.split(/\r?\n/);
  let joined = trim(first);
  for (const fold of folds) {
    if (!/^[ \t]/.test(fold)) return null;
    joined += ` ${trim(fold)}`;
  }
  return trim(joined);
}

function trim(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start += 1;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end -= 1;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** `field-content` without `obs-text` (RFC 9421 §2.5). */
function isAsciiLine(value: string | null): value is string {
  return value !== null && /^[\t\x20-\x7e]*$/.test(value);
}
