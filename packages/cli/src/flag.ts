import type { Operation } from '@keyhold/protocol/operation';
import { UsageError } from './failure.ts';
import { flagName } from './flag-name.ts';

export type FlagValue = string | boolean | undefined;

/** One `--flag`. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  /** Field of the API that it fills; undefined: about the command itself. */
  readonly field?: string;
  /** As help shows the value; undefined: a switch that takes none. */
  readonly value?: string;
  readonly repeatable?: boolean;
  readonly required?: boolean;
  /** `none` stands for null or an empty list. */
  readonly clearable?: boolean;
  readonly about?: string;
  /** Turns the text into the API's value; returns undefined where it can't. */
  readonly read?: (text: string) => unknown;
}

/** The number that a flag about the command itself gives, from 1 on. */
export function wholeNumber(name: string, text: unknown): number | undefined {
  if (text === undefined) return undefined;
  if (typeof text === 'string' && /^[1-9]\d{0,15}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes a whole number`);
}

/** What is looked at in a field's JSON schema. */
interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

/** Makes the flags of an operation from its schemas, so that a field of the API is a flag without more work. */
export function flagsOf({ query, body }: Pick<Operation, 'query' | 'body'>): Flag[] {
  return [query, body].flatMap((part) => {
    const schema = (part ?? {}) as Schema;
    const required = new Set(schema.required);
    return Object.entries(schema.properties ?? {}).map(([field, of]) => flagOf(field, of, required.has(field)));
  });
}

function flagOf(field: string, given: Schema, required: boolean): Flag {
  const nullable = given.anyOf?.some(({ type }) => type === 'null') ?? false;
  const schema = nullable ? (given.anyOf?.find(({ type }) => type !== 'null') as Schema) : given;
  const repeatable = schema.type === 'array';
  const of = repeatable ? (schema.items as Schema) : schema;
  const about = given.description ?? schema.description ?? of.description;
  return {
    name: flagName(field, repeatable),
    field,
    repeatable,
    required,
    clearable: nullable || (repeatable && (schema.minItems ?? 0) === 0),
    ...(about === undefined ? {} : { about }),
    ...reading(field, of),
  };
}

function reading(field: string, of: Schema): Required<Pick<Flag, 'value' | 'read'>> {
  if (field === 'rateLimits') return { value: 'NAME=LIMIT/SECONDS[,refuse]', read: readRateLimit };
  if (field === 'quota') return { value: 'LIMIT/PERIOD[,refuse]', read: readQuota };
  if (field === 'credential') return { value: 'bearer|hmac|JSON', read: (text) => readNamed('kind', text) };
  if (field === 'dialects') return { value: 'NAME|JSON', read: (text) => readNamed('dialect', text) };
  const choices = of.enum ?? (of.const === undefined ? undefined : [of.const]);
  if (choices !== undefined) {
    return { value: choices.join('|'), read: (text) => (choices.includes(text) ? text : undefined) };
  }
  if (of.type === 'boolean') return { value: 'true|false', read: readBoolean };
  if (of.type === 'integer') return { value: 'NUMBER', read: readInteger };
  if (of.type === 'object' || of.anyOf !== undefined) return { value: 'JSON-OBJECT', read: readObject };
  return { value: field.endsWith('At') ? 'TIME' : 'TEXT', read: (text) => text };
}

function readBoolean(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

function readInteger(text: string): number | undefined {
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}

function readObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A bare word names a variant that takes no more. */
function readNamed(name: string, text: string): unknown {
  return /^[a-z0-9-]+$/.test(text) ? { [name]: text } : readObject(text);
}

/** `minute=100/60`, `minute=100/60,refuse` */
function readRateLimit(text: string): unknown {
  const [, name, limit = '', seconds = '', refuse] = /^([^=]+)=(\d+)\/(\d+)(,refuse)?$/.exec(text) ?? [];
  const numbers = { limit: readInteger(limit), windowSeconds: readInteger(seconds) };
  if (name === undefined || numbers.limit === undefined || numbers.windowSeconds === undefined) return undefined;
  return { name, ...numbers, ...withoutStore(refuse) };
}

/** What holds while the store that verifiers share can't be asked. */
function withoutStore(refuse: string | undefined) {
  return refuse === undefined ? {} : { withoutStore: 'refuse' };
}

/** `1000/day`, `1000/day,refuse` */
function readQuota(text: string): unknown {
  const [, digits = '', period, refuse] = /^(\d+)\/([a-z]+)(,refuse)?$/.exec(text) ?? [];
  const limit = readInteger(digits);
  return limit === undefined ? undefined : { limit, period, ...withoutStore(refuse) };
}

/**
 * The API's value of a flag that was given, once or several times.
 * @throws UsageError naming the flag, never what was given
 */
export function readFlag(flag: Flag, texts: readonly string[]): unknown {
  if (flag.clearable === true && texts.length === 1 && texts[0] === 'none') return flag.repeatable === true ? [] : null;
  if (flag.repeatable !== true && texts.length > 1) throw new UsageError(`--${flag.name} is given more than once`);
  const values = texts.map((text) => {
    const value = flag.read === undefined ? text : flag.read(text);
    if (value === undefined) throw new UsageError(`--${flag.name} takes ${flag.value}`);
    return value;
  });
  return flag.repeatable === true ? values : values[0];
}
