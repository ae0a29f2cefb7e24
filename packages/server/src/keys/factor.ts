import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Factor } from '@keyhold/protocol/operations/factors';
import type { ConsumerFactorRow } from '../database/factor-rows.ts';

/** Second factors that a consumer may have in one environment: each of them is tried where a code is checked. */
export const MAX_FACTORS = 5;

/** Names of where a factor counts. */
export interface FactorNames {
  readonly project: string;
  readonly environment: string;
}

export const TOO_MANY = refuse('TOO_MANY_FACTORS', `${MAX_FACTORS} is the most in one environment: remove one first.`);

/** Each kind is confirmed in its own way, once. */
export function notUnconfirmed({ state, kind }: Pick<ConsumerFactorRow, 'state' | 'kind'>): Refusal {
  return refuse(
    'ILLEGAL_TRANSITION',
    `The factor is ${state}, a ${kind}: only an unconfirmed one is confirmed, as its kind is.`,
  );
}

export function showFactor(row: ConsumerFactorRow, { project, environment }: FactorNames): Factor {
  const { id, consumer_id, kind, name, state, created_at } = row;
  const createdAt = new Date(created_at).toISOString();
  return { id, consumer: consumer_id, project, environment, kind, name, state, createdAt };
}
