import type { Malformed } from '../dialect.ts';
import { isRefused, malformed } from './malformed.ts';
import { parseItem } from './parse-structured-field.ts';
import { serializeBareItem, serializeMember } from './serialize-structured-field.ts';
import type { BareItem, Item, ItemParameters } from './structured-field.ts';

/** One thing that a signature covers: name, and parameters in the order in which they were written (RFC 9421 §2). */
export interface Component {
  readonly name: string;
  readonly parameters: ItemParameters;
  /** As the signature base has it (RFC 9421 §2.5). */
  readonly identifier: string;
  /** Equal for two identifiers that differ only in the order of their parameters (RFC 9421 §2). */
  readonly identity: string;
}

/** Derived components (RFC 9421 §2.2), and what they are derived from. */
const DERIVED: ReadonlyMap<string, 'request' | 'response'> = new Map([
  ['@method', 'request'],
  ['@target-uri', 'request'],
  ['@authority', 'request'],
  ['@scheme', 'request'],
  ['@request-target', 'request'],
  ['@path', 'request'],
  ['@query', 'request'],
  ['@query-param', 'request'],
  ['@status', 'response'],
]);

const FIELD_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const MAX_IDENTIFIER_CHARS = 512;

/** The component that an item of the covered components names, or why it names none that is understood here. */
export function readComponent(item: Item): Component | Malformed {
  if (item.item.type !== 'string') return malformed('a component identifier is not a String (RFC 9421 §2)');
  const name = item.item.value;
  const identifier = serializeMember(item);
  if (identifier.length > MAX_IDENTIFIER_CHARS) return malformed('a component identifier is too long');
  const problem = name.startsWith('@') ? derivedProblem(name, item.parameters) : fieldProblem(name, item.parameters);
  if (problem !== null) return malformed(`${identifier}: ${problem}`);
  return { name, parameters: item.parameters, identifier, identity: identityOf(name, item.parameters) };
}

/** A component as settings have it: `@method`, `content-type`, `"cache-control";sf` or `@query-param;name="id"`. */
export function parseComponent(written: string): Component | Malformed {
  const end = written.includes(';') ? written.indexOf(';') : written.length;
  const quoted = written.startsWith('"') ? written : `"${written.slice(0, end).toLowerCase()}"${written.slice(end)}`;
  const parsed = parseItem(quoted);
  return parsed === null || parsed.repeated
    ? malformed(`${written} is not a component identifier`)
    : readComponent(parsed.value);
}

/** All of them, or the first that is none. */
export function parseComponents(written: readonly string[]): readonly Component[] | Malformed {
  const components: Component[] = [];
  for (const one of written) {
    const component = parseComponent(one);
    if (isRefused(component)) return component;
    components.push(component);
  }
  return components;
}

/** The value of a parameter that is a String, `key` and `name`. */
export function textParameter({ parameters }: Component, name: 'key' | 'name'): string | null {
  const parameter = parameters.get(name);
  return parameter?.type === 'string' ? parameter.value : null;
}

export function hasFlag({ parameters }: Component, flag: 'sf' | 'bs' | 'tr' | 'req'): boolean {
  return parameters.has(flag);
}

/** What a derived component targets (RFC 9421 §2.2). */
export function derivedTarget({ name }: Component): 'request' | 'response' | undefined {
  return DERIVED.get(name);
}

function identityOf(name: string, parameters: ItemParameters): string {
  const sorted = Array.from(parameters, ([key, value]) => `${key}=${serializeBareItem(value)}`).sort();
  return JSON.stringify([name, ...sorted]);
}

/** RFC 9421 §2.2; `@signature-params` is never among the covered components (§2.3). */
function derivedProblem(name: string, parameters: ItemParameters): string | null {
  const target = DERIVED.get(name);
  if (target === undefined) return 'unknown derived component';
  for (const [key, value] of parameters) {
    if (key === 'req' && target === 'request' && isTrue(value)) continue;
    if (key === 'name' && name === '@query-param' && value.type === 'string') continue;
    return `parameter ${key} is not understood here`;
  }
  return name === '@query-param' && !parameters.has('name') ? 'the parameter name is missing' : null;
}

/** RFC 9421 §2.1. */
function fieldProblem(name: string, parameters: ItemParameters): string | null {
  if (!FIELD_NAME.test(name)) return 'not a field name in lower case';
  for (const [key, value] of parameters) {
    if (key === 'key' ? value.type === 'string' : isFieldFlag(key) && isTrue(value)) continue;
    return `parameter ${key} is not understood here`;
  }
  const parsed = parameters.has('sf') || parameters.has('key');
  return parsed && parameters.has('bs') ? 'bs goes with neither sf nor key' : null;
}

function isFieldFlag(key: string): boolean {
  return key === 'sf' || key === 'bs' || key === 'tr' || key === 'req';
}

/** A flag that is there and false says nothing that the RFC defines. */
function isTrue(value: BareItem): boolean {
  return value.type === 'boolean' && value.value;
}
