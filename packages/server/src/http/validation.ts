import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { FastifySchemaCompiler } from 'fastify';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import type { TSchema } from 'typebox';
import { findBadText, printable } from './json-body.ts';

/** Carries a refusal through Fastify's validation. */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** Bodies are taken as they are; only addresses, which are all text, are converted to the types they stand for. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  return (data: unknown) => {
    const value = httpPart === 'body' || isEmpty(data) ? data : Value.Convert(schema, data);
    if (validator.Check(value)) return { value };
    return { error: new InvalidInput(describe(validator.Errors(value), httpPart)) };
  };
};

/** Most addresses have no query. */
function isEmpty(data: unknown): boolean {
  for (const _ in data as object) return false;
  return true;
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: unknown;
  readonly message: string;
}

/** Names the failing field; says what is expected and never what was sent, which may be a secret. */
function describe(errors: readonly SchemaError[], httpPart: string | undefined): Refusal {
  const error = mostSpecific(errors);
  const params = (error?.params ?? {}) as Record<string, unknown>;
  const names = (params['requiredProperties'] ?? params['additionalProperties']) as string[] | undefined;
  const name = names?.[0];
  const path = (error?.instancePath ?? '')
    .split('/')
    .slice(1)
    .map((part) => `/${printable(part)}`)
    .join('');
  const field = `${path}${name === undefined ? '' : `/${printable(name)}`}`;
  const where = httpPart === 'body' ? field || '/' : field.replace(/^\//, '') || httpPart;
  if (error?.keyword === 'additionalProperties') return refuse('INVALID_INPUT', 'There is no such field here.', where);
  if (error?.keyword === 'required') return refuse('INVALID_INPUT', 'This field is missing.', where);
  return refuse('INVALID_INPUT', `This field ${error?.message ?? 'does not have the right shape'}.`, where);
}

/** A union fails with an error for each of its members; the deepest says most. */
function mostSpecific(errors: readonly SchemaError[]): SchemaError | undefined {
  const unwanted = errors.find(({ keyword }) => keyword === 'additionalProperties');
  if (unwanted !== undefined) return unwanted;
  return errors.find(({ keyword }) => keyword !== 'anyOf' && keyword !== 'const') ?? errors[0];
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
