import type { Malformed } from '../dialect.ts';
import { type Component, derivedTarget, hasFlag, readComponent } from './component.ts';
import { requestValue, statusValue } from './derived-value.ts';
import { FIELD_TYPES, type FieldType, fieldValue } from './field-value.ts';
import { isRefused, malformed } from './malformed.ts';
import type { Message } from './message.ts';
import { serializeMember } from './serialize-structured-field.ts';
import type { InnerList } from './structured-field.ts';

/** More components are not looked at, and longer bases not made. */
export const MAX_COMPONENTS = 50;
const MAX_BASE_CHARS = 131_072;

export interface SignatureBase {
  readonly bytes: Uint8Array;
  readonly components: readonly Component[];
}

/**
 * The bytes that a signature is over (RFC 9421 §2.5).
 * @param input covered components and signature parameters, as Signature-Input has them for one label
 */
export function signatureBase(
  message: Message,
  input: InnerList,
  types: ReadonlyMap<string, FieldType> = FIELD_TYPES,
): SignatureBase | Malformed {
  if (input.items.length > MAX_COMPONENTS)
    return malformed(`a signature covers more than ${MAX_COMPONENTS} components`);
  const components: Component[] = [];
  const seen = new Set<string>();
  let base = '';
  for (const item of input.items) {
    const component = readComponent(item);
    if (isRefused(component)) return component;
    if (seen.has(component.identity)) return malformed(`${component.identifier} is covered twice`);
    seen.add(component.identity);
    const value = componentValue(message, component, types);
    if (typeof value !== 'string') return value;
    base += `${component.identifier}: ${value}\n`;
    if (base.length > MAX_BASE_CHARS) return malformed('what the signature covers is too long');
    components.push(component);
  }
  base += `"@signature-params": ${serializeMember(input)}`;
  // INVARIANT: ASCII (§2.5, step 4), and one line each, so that no value reads as another component's line.
  if (!/^[\t\n\x20-\x7e]*$/.test(base) || base.split('\n').length !== components.length + 1) {
    return malformed('a component value is not one line of ASCII');
  }
  return { bytes: new TextEncoder().encode(base), components };
}

/** The value of one component in its context (RFC 9421 §2.5, step 2.4). */
export function componentValue(
  message: Message,
  component: Component,
  types: ReadonlyMap<string, FieldType>,
): string | Malformed {
  const related = hasFlag(component, 'req');
  if (related && message.kind === 'request') return malformed(`${component.identifier}: req is for responses (§2.4)`);
  const context = related && message.kind === 'response' ? message.request : message;
  if (context === null) return malformed(`${component.identifier}: the request is not known here`);
  if (!component.name.startsWith('@')) {
    return fieldValue(hasFlag(component, 'tr') ? context.trailers : context.headers, component, types);
  }
  if (derivedTarget(component) !== context.kind) return malformed(`${component.identifier}: not of a ${context.kind}`);
  return context.kind === 'request' ? requestValue(context, component) : statusValue(context);
}
