import { fromBase64 } from '../../log/base64.ts';
import {
  type BareItem,
  type Dictionary,
  type InnerList,
  type Item,
  type ItemParameters,
  type List,
  type Member,
  type Parsed,
  TRUE,
} from './structured-field.ts';

/** Longer fields are not parsed, so that hostile ones cost little. */
export const MAX_FIELD_CHARS = 16_384;

/** The parsed Dictionary, or null (RFC 9651 §4.2.2). */
export function parseDictionary(input: string): Parsed<Dictionary> | null {
  return parse(input, (parser) => parser.dictionary());
}

/** The parsed List, or null (RFC 9651 §4.2.1). */
export function parseList(input: string): Parsed<List> | null {
  return parse(input, (parser) => parser.list());
}

/** The parsed Item, or null (RFC 9651 §4.2.3). */
export function parseItem(input: string): Parsed<Item> | null {
  return parse(input, (parser) => parser.item());
}

/** RFC 9651 §4.2: what is left over makes the whole field fail. */
function parse<T>(input: string, read: (parser: Parser) => T | null): Parsed<T> | null {
  if (input.length > MAX_FIELD_CHARS) return null;
  const parser = new Parser(input);
  parser.take(SPACES);
  const value = read(parser);
  parser.take(SPACES);
  return value === null || !parser.done() ? null : { value, repeated: parser.repeated };
}

const SPACES = / */y;
const WHITE_SPACE = /[ \t]*/y;
const KEY = /[a-z*][a-z0-9_.*-]*/y;
const TOKEN = /[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]*)?/y;
const STRING = /"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y;
const DISPLAY = /%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"/y;
const BYTES = /:[A-Za-z0-9+/=]*:/y;
const BOOLEAN = /\?[01]/y;

class Parser {
  readonly #input: string;
  #at = 0;
  repeated = false;

  constructor(input: string) {
    this.#input = input;
  }

  done(): boolean {
    return this.#at === this.#input.length;
  }

  /** What the sticky pattern matches here, and goes past it. */
  take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#input)?.[0];
    if (match === undefined) return null;
    this.#at += match.length;
    return match;
  }

  #eat(char: string): boolean {
    if (this.#input[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  dictionary(): Dictionary | null {
    const members = new Map<string, Member>();
    const complete = this.#separated(() => {
      const key = this.take(KEY);
      const member = key === null ? null : this.#eat('=') ? this.#member() : this.#flag();
      if (key === null || member === null) return false;
      this.#set(members, key, member);
      return true;
    });
    return complete ? members : null;
  }

  list(): List | null {
    const members: Member[] = [];
    const complete = this.#separated(() => {
      const member = this.#member();
      if (member !== null) members.push(member);
      return member !== null;
    });
    return complete ? members : null;
  }

  item(): Item | null {
    const item = this.#bareItem();
    const parameters = item === null ? null : this.#parameters();
    return item === null || parameters === null ? null : { item, parameters };
  }

  /** Commas between members, none at the end (RFC 9651 §4.2.1, step 2). */
  #separated(member: () => boolean): boolean {
    if (this.done()) return true;
    for (;;) {
      if (!member()) return false;
      this.take(WHITE_SPACE);
      if (this.done()) return true;
      if (!this.#eat(',')) return false;
      this.take(WHITE_SPACE);
    }
  }

  #flag(): Item | null {
    const parameters = this.#parameters();
    return parameters === null ? null : { item: TRUE, parameters };
  }

  #member(): Member | null {
    return this.#eat('(') ? this.#innerList() : this.item();
  }

  #innerList(): InnerList | null {
    const items: Item[] = [];
    for (;;) {
      const spaces = this.take(SPACES);
      if (this.#eat(')')) break;
      // RFC 9651 §4.2.1.2: between items there is a space.
      if (items.length > 0 && spaces === '') return null;
      const item = this.item();
      if (item === null) return null;
      items.push(item);
    }
    const parameters = this.#parameters();
    return parameters === null ? null : { items, parameters };
  }

  #parameters(): ItemParameters | null {
    const parameters = new Map<string, BareItem>();
    while (this.#eat(';')) {
      this.take(SPACES);
      const key = this.take(KEY);
      const value = key === null ? null : this.#eat('=') ? this.#bareItem() : TRUE;
      if (key === null || value === null) return null;
      this.#set(parameters, key, value);
    }
    return parameters;
  }

  #set<T>(map: Map<string, T>, key: string, value: T): void {
    if (map.has(key)) this.repeated = true;
    map.set(key, value);
  }

  #bareItem(): BareItem | null {
    switch (this.#input[this.#at]) {
      case '"':
        return stringOf(this.take(STRING));
      case ':':
        return bytesOf(this.take(BYTES));
      case '?':
        return booleanOf(this.take(BOOLEAN));
      case '%':
        return displayOf(this.take(DISPLAY));
      case '@':
        this.#at += 1;
        return dateOf(numberOf(this.take(NUMBER)));
    }
    return numberOf(this.take(NUMBER)) ?? tokenOf(this.take(TOKEN));
  }
}

function stringOf(raw: string | null): BareItem | null {
  return raw === null ? null : { type: 'string', value: raw.slice(1, -1).replace(/\\(.)/g, '$1') };
}

function tokenOf(raw: string | null): BareItem | null {
  return raw === null ? null : { type: 'token', value: raw };
}

function booleanOf(raw: string | null): BareItem | null {
  return raw === null ? null : { type: 'boolean', value: raw === '?1' };
}

/** Stricter than RFC 9651 §4.2.7 may be: two ways of writing the same bytes would be two requests with one base. */
function bytesOf(raw: string | null): BareItem | null {
  const value = raw === null ? null : fromBase64(raw.slice(1, -1));
  return value === null ? null : { type: 'bytes', value };
}

/** RFC 9651 §4.2.4: 15 digits, or 12 before the point and 3 after it. */
function numberOf(raw: string | null): BareItem | null {
  if (raw === null) return null;
  // `+ 0` makes the zero of `-0` a plain one.
  if (/^-?[0-9]{1,15}$/.test(raw)) return { type: 'integer', value: Number(raw) + 0 };
  return /^-?[0-9]{1,12}\.[0-9]{1,3}$/.test(raw) ? { type: 'decimal', value: Number(raw) + 0 } : null;
}

function dateOf(number: BareItem | null): BareItem | null {
  return number?.type === 'integer' ? { type: 'date', value: number.value } : null;
}

function displayOf(raw: string | null): BareItem | null {
  if (raw === null) return null;
  const bytes: number[] = [];
  for (const [piece] of raw.slice(2, -1).matchAll(/%..|./g)) {
    bytes.push(piece.length === 1 ? piece.charCodeAt(0) : Number.parseInt(piece.slice(1), 16));
  }
  try {
    const value = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
    return { type: 'display', value };
  } catch {
    return null;
  }
}
