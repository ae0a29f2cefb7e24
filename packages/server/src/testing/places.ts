import type { Place } from '@keyhold/protocol/sealed-field';

/** A place in the vault, as `placeIn` would make one. */
export const PLACE: Place = {
  field: 'secret.value',
  installation: 'inst_1',
  project: 'proj_1',
  environment: 'env_1',
  id: 'sec_1',
  version: 1,
};

/** Another value for each member: what is bound opens in none of them. */
const OTHERS: { readonly [Member in keyof Place]: readonly Place[Member][] } = {
  field: ['root-key', 'environment-key'],
  installation: ['inst_2', ''],
  project: ['proj_2', '', null],
  environment: ['env_2', '', null, 'proj_1'],
  id: ['sec_2', '', 'sec_11', 'SEC_1'],
  version: [0, 2, 11],
};

/** Every place that differs from {@link PLACE} in one member, and one whose members changed places. */
export const OTHER_PLACES: readonly Place[] = [
  ...Object.entries(OTHERS).flatMap(([member, values]) => values.map((value) => ({ ...PLACE, [member]: value }))),
  { ...PLACE, project: PLACE.environment, environment: PLACE.project },
];
