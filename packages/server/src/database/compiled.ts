import type { CompiledQuery, Kysely } from 'kysely';
import type { Database } from './schema.ts';

const cache = new WeakMap<object, Map<string, CompiledQuery>>();

/**
 * A query built once per database and run with other parameters from then on: on hot paths building a query costs
 * more than running it. `parameters` come in the order in which the query mentions them.
 */
export function compiledOnce<Row>(
  db: Kysely<Database>,
  name: string,
  parameters: readonly unknown[],
  build: () => CompiledQuery<Row>,
): CompiledQuery<Row> {
  // All connections of one store share their adapter.
  const { adapter } = db.getExecutor();
  let queries = cache.get(adapter);
  if (queries === undefined) cache.set(adapter, (queries = new Map()));
  let compiled = queries.get(name) as CompiledQuery<Row> | undefined;
  if (compiled === undefined) queries.set(name, (compiled = build()));
  return { ...compiled, parameters };
}
