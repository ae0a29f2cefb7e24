/**
 * Structured Field Values (RFC 9651, which extends RFC 8941). A type of our own keeps apart what numbers and strings of
 * JavaScript do not: `1` from `1.0`, a String from a Token. Signatures are over the text, so the difference counts.
 */
export type BareItem =
  | { readonly type: 'integer' | 'decimal' | 'date'; readonly value: number }
  | { readonly type: 'string' | 'token' | 'display'; readonly value: string }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'boolean'; readonly value: boolean };

/** In the order of their first mention (RFC 9651 §3.1.2). */
export type ItemParameters = ReadonlyMap<string, BareItem>;

export interface Item {
  readonly item: BareItem;
  readonly parameters: ItemParameters;
}

export interface InnerList {
  readonly items: readonly Item[];
  readonly parameters: ItemParameters;
}

export type Member = Item | InnerList;
export type List = readonly Member[];
export type Dictionary = ReadonlyMap<string, Member>;

/** What was parsed, and whether a key in it stood twice: RFC 9651 §4.2.2 lets the last one win, a signature must not. */
export interface Parsed<T> {
  readonly value: T;
  readonly repeated: boolean;
}

export function isInnerList(member: Member): member is InnerList {
  return 'items' in member;
}

export function text(value: string): BareItem {
  return { type: 'string', value };
}

export function integer(value: number): BareItem {
  return { type: 'integer', value };
}

export const TRUE: BareItem = { type: 'boolean', value: true };
