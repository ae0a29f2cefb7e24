import type { Refusal } from '@keyhold/protocol/errors';
import type { FastifySchemaCompiler } from 'fastify';
import { Compile } from 'typebox/compile';
import type { TSchema } from 'typebox';
import { Settings } from 'typebox/system';
import { findBadText } from './json-body.ts';
import { describeErrors } from './schema-errors.ts';

/** Carries a refusal through Fastify's validation. */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

// By default 8, which a union of as many members uses up with one error of each: what is said has to know all of them.
Settings.Set({ maxErrors: 64 });

type Validator = ReturnType<typeof Compile>;

const validators = new WeakMap<TSchema, Validator>();

/** Made when first needed, and once for each schema, like what answers are written by. */
export function validatorOf(schema: TSchema): Validator {
  let validator = validators.get(schema);
  if (validator === undefined) validators.set(schema, (validator = Compile(schema)));
  return validator;
}

/** Bodies are taken as they are; only addresses, which are all text, are converted to the types they stand for. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  // They are declared for the reference alone, and read where they mean something.
  if (httpPart === 'headers') return () => true;
  let validator: Validator | undefined;
  return (data: unknown) => {
    validator ??= validatorOf(schema);
    const value = httpPart === 'body' || isEmpty(data) ? data : readAddress(schema, data as Record<string, unknown>);
    if (validator.Check(value)) return { value };
    const refusal = describeErrors(schema, validator.Errors(value), httpPart === 'body', httpPart ?? 'request');
    return { error: new InvalidInput(refusal) };
  };
};

/** What stands for a number or a truth has one way to be written: what is lenient here would be odd elsewhere. */
function readAddress(schema: TSchema, data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { properties = {} } = schema as { readonly properties?: Readonly<Record<string, { readonly type?: string }>> };
  return Object.fromEntries(
    Object.entries(data).map(([name, text]) => [
      name,
      Object.hasOwn(properties, name) ? readText(properties[name]?.type, text) : text,
    ]),
  );
}

const INTEGER = /^-?\d{1,16}$/;

function readText(type: string | undefined, text: unknown): unknown {
  if (typeof text !== 'string') return text;
  if (type === 'integer' && INTEGER.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** Most addresses have no query. */
function isEmpty(data: unknown): boolean {
  for (const _ in data as object) return false;
  return true;
}

/** Checks query and path text like bodies are checked. */
export function findBadAddress(...parts: readonly unknown[]): Refusal | undefined {
  for (const part of parts) {
    if (isEmpty(part)) continue;
    const bad = findBadText({ ...(part as object) }, '', 0);
    if (bad !== undefined) return bad;
  }
  return undefined;
}
