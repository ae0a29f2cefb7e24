import { toBase64 } from '../../log/base64.ts';
import {
  type BareItem,
  type Dictionary,
  isInnerList,
  type ItemParameters,
  type List,
  type Member,
} from './structured-field.ts';

/**
 * The one way of writing a parsed value (RFC 9651 §4.1). Takes what the parser gives, or strings of printable ASCII:
 * nothing is checked again here.
 */
export function serializeDictionary(dictionary: Dictionary): string {
  return Array.from(dictionary, ([key, member]) => {
    const flag = !isInnerList(member) && member.item.type === 'boolean' && member.item.value;
    return flag ? key + serializeParameters(member.parameters) : `${key}=${serializeMember(member)}`;
  }).join(', ');
}

/** RFC 9651 §4.1.1. */
export function serializeList(list: List): string {
  return list.map(serializeMember).join(', ');
}

/** An Item or an Inner List with its parameters (RFC 9651 §4.1.1.1, §4.1.3). */
export function serializeMember(member: Member): string {
  const value = isInnerList(member)
    ? `(${member.items.map(serializeMember).join(' ')})`
    : serializeBareItem(member.item);
  return value + serializeParameters(member.parameters);
}

/** RFC 9651 §4.1.3.1. */
export function serializeBareItem(bare: BareItem): string {
  switch (bare.type) {
    case 'integer':
      return String(bare.value);
    case 'decimal':
      return bare.value.toFixed(3).replace(/0{1,2}$/, '');
    case 'date':
      return `@${bare.value}`;
    case 'string':
      return `"${bare.value.replace(/["\\]/g, '\\$&')}"`;
    case 'token':
      return bare.value;
    case 'bytes':
      return `:${toBase64(bare.value)}:`;
    case 'boolean':
      return bare.value ? '?1' : '?0';
    case 'display':
      return `%"${Array.from(new TextEncoder().encode(bare.value), displayByte).join('')}"`;
  }
}

function serializeParameters(parameters: ItemParameters): string {
  let out = '';
  for (const [key, value] of parameters) {
    out += value.type === 'boolean' && value.value ? `;${key}` : `;${key}=${serializeBareItem(value)}`;
  }
  return out;
}

function displayByte(byte: number): string {
  const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25;
  return plain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`;
}
