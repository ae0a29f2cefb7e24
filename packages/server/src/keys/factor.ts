import type { Factor } from '@keyhold/protocol/operations/factors';
import type { ConsumerFactorRow } from '../database/schema.ts';

/** Second factors that a consumer may have in one environment: each of them is tried where a code is checked. */
export const MAX_FACTORS = 5;

/** Names of where a factor counts. */
export interface FactorNames {
  readonly project: string;
  readonly environment: string;
}

export function showFactor(row: ConsumerFactorRow, { project, environment }: FactorNames): Factor {
  const { id, consumer_id, kind, name, state, created_at } = row;
  const createdAt = new Date(created_at).toISOString();
  return { id, consumer: consumer_id, project, environment, kind, name, state, createdAt };
}
