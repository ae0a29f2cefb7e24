import type { Malformed } from '../dialect.ts';
import { type Component, hasFlag, textParameter } from './component.ts';
import { type Fields, unfold } from './fields.ts';
import { malformed } from './malformed.ts';
import { parseItem, parseList } from './parse-structured-field.ts';
import { serializeDictionary, serializeList, serializeMember } from './serialize-structured-field.ts';
import type { BareItem, Item } from './structured-field.ts';

export type FieldType = 'item' | 'list' | 'dictionary';

/** Registered structured fields: `sf` is possible only where the type is known (RFC 9421 §2.1.1). */
export const FIELD_TYPES: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
  ['accept-signature', 'dictionary'],
  ['cache-status', 'list'],
  ['cdn-cache-control', 'dictionary'],
  ['client-cert', 'item'],
  ['client-cert-chain', 'list'],
  ['content-digest', 'dictionary'],
  ['priority', 'dictionary'],
  ['proxy-status', 'list'],
  ['repr-digest', 'dictionary'],
  ['signature', 'dictionary'],
  ['signature-input', 'dictionary'],
  ['want-content-digest', 'dictionary'],
  ['want-repr-digest', 'dictionary'],
]);

/** The component value of a field (RFC 9421 §2.1). */
export function fieldValue(
  fields: Fields,
  component: Component,
  types: ReadonlyMap<string, FieldType>,
): string | Malformed {
  const { name, identifier } = component;
  if (fields.values(name).length === 0) return malformed(`${identifier}: the message has no such field`);
  const key = textParameter(component, 'key');
  let value: string | null;
  if (hasFlag(component, 'bs')) value = wrapped(fields.values(name));
  else if (key !== null) value = memberValue(fields, name, key, types.get(name) ?? 'dictionary');
  else if (hasFlag(component, 'sf')) value = strictValue(fields, name, types.get(name));
  else value = fields.combined(name);
  return value ?? malformed(`${identifier}: the field has no such value`);
}

/** RFC 9421 §2.1.1. */
function strictValue(fields: Fields, name: string, type: FieldType | undefined): string | null {
  if (type === 'dictionary') {
    const parsed = fields.dictionary(name);
    return parsed === null ? null : serializeDictionary(parsed.value);
  }
  const combined = fields.combined(name);
  if (combined === null || type === undefined) return null;
  if (type === 'list') {
    const parsed = parseList(combined);
    return parsed === null ? null : serializeList(parsed.value);
  }
  const parsed = parseItem(combined);
  return parsed === null ? null : serializeMember(parsed.value);
}

/** RFC 9421 §2.1.2. `d` alone is the member `?1`. */
function memberValue(fields: Fields, name: string, key: string, type: FieldType): string | null {
  const member = type === 'dictionary' ? fields.dictionary(name)?.value.get(key) : undefined;
  return member === undefined ? null : serializeMember(member);
}

/** RFC 9421 §2.1.3: each line by itself, so that commas within and between lines stay apart. */
function wrapped(values: readonly string[]): string | null {
  const items: Item[] = [];
  for (const value of values) {
    const bytes = bytesOf(unfold(value));
    if (bytes === null) return null;
    items.push({ item: bytes, parameters: new Map() });
  }
  return serializeList(items);
}

/** HTTP libraries give a field's octets as characters up to U+00FF; another character is not as received. */
function bytesOf(value: string | null): BareItem | null {
  if (value === null || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return null;
  return { type: 'bytes', value: Uint8Array.from(value, (char) => char.charCodeAt(0)) };
}
