import build from 'fast-json-stringify';
import type { FastifySerializerCompiler } from 'fastify';
import { PROBLEM_SCHEMA } from './route-schema.ts';

type Write = (data: unknown) => string;

const writers = new WeakMap<object, Write>();

/**
 * What an answer is written by. Made when the first such answer is sent, and once for each schema: making all that every
 * operation declares would take most of a start.
 */
export const serializerCompiler: FastifySerializerCompiler<object> = ({ schema }) => {
  let write: Write | undefined;
  return (data) => {
    write ??= writerOf(schema);
    return write(data);
  };
};

/** @throws where the schema can not be compiled */
export function writerOf(schema: object): Write {
  let write = writers.get(schema);
  if (write === undefined) {
    write = build(schema as build.Schema, {
      schema: { [PROBLEM_SCHEMA.$id]: PROBLEM_SCHEMA as unknown as build.Schema },
    });
    writers.set(schema, write);
  }
  return write;
}
