import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { TokenRow } from '../database/schema.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';

/** INVARIANT: no token has such a name but those that its workload was given (`create-token.ts`). */
const OF_WORKLOAD = 'workload ';
const KINDS = [ID_PREFIXES.appRole, ID_PREFIXES.workload];

/** What tokens of a workload are called: by it they are found again. */
export function tokenNameOf({ id }: Pick<WorkloadRow, 'id'>): string {
  return `${OF_WORKLOAD}${id}`;
}

/** Id of the workload that a token was given to, or undefined. */
export function workloadOf({ name }: Pick<TokenRow, 'name'>): string | undefined {
  const id = name.startsWith(OF_WORKLOAD) ? name.slice(OF_WORKLOAD.length) : '';
  return KINDS.some((kind) => id.startsWith(`${kind}_`)) ? id : undefined;
}

/** Where names of such tokens begin and end among all names in order. */
export const EXCHANGED_NAMES: readonly (readonly [from: string, to: string])[] = KINDS.toSorted().map((kind) => [
  `${OF_WORKLOAD}${kind}_`,
  // '`' follows '_' in ASCII.
  `${OF_WORKLOAD}${kind}\``,
]);
