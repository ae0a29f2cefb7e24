import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import { attribution, type Caller } from '../access/change-context.ts';
import { allow } from '../access/locate.ts';
import type { Principal } from '../access/principal.ts';
import type { ConsumerRow, Database } from '../database/schema.ts';
import { findPlacedFactor, type PlacedFactor } from './factors.store.ts';

/** Finds a second factor and whether the principal may act on it; what he may not see does not exist. */
export async function openFactor(
  reader: Kysely<Database>,
  principal: Principal,
  action: Action,
  id: string,
): Promise<PlacedFactor | Refusal> {
  const absent = noFactor(id);
  const factor = await findPlacedFactor(reader, id);
  if (factor === undefined) return allow(principal, action, absent) ?? absent;
  const resource = { project: factor.project_id, environment: factor.environment_id };
  return allow(principal, action, { resource, absent }) ?? factor;
}

export function noFactor(id: string): Refusal {
  return refuse('FACTOR_NOT_FOUND', `There is no second factor ${id}.`, 'id');
}

/** What the entry of a new factor says of it: those of one consumer are entered one after the other, for they are counted. */
export function enrolmentEntry(
  caller: Caller,
  id: string,
  consumer: Pick<ConsumerRow, 'id'>,
  place: { readonly project_id: string; readonly environment_id: string },
) {
  return {
    ...factorEntry(caller, { id, ...place }),
    action: 'factor.enrolled',
    locks: [consumer.id],
  };
}

/** What an entry about a factor says of it. */
export function factorEntry(caller: Caller, factor: Pick<PlacedFactor, 'id' | 'project_id' | 'environment_id'>) {
  return {
    ...attribution(caller),
    subject: factor.id,
    project: factor.project_id,
    environment: factor.environment_id,
    locks: [factor.id],
  };
}
