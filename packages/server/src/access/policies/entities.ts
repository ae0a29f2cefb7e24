import { isRole, nameOf } from '../opener.ts';
import type { Principal, Resource } from '../principal.ts';
import { covers, INSTALLATION } from '../principal.ts';
import type { Action } from '../authorise.ts';
import type { Entity, Uid } from './cedar.ts';
import type { Asker } from './policy.ts';
import { GOVERNED, groupsOf } from './vocabulary.ts';

/** Names of places by their ids, and back; handed in from a higher floor, as the ledger recorded them. */
export interface PolicyPlaces {
  /** False where a row of one was tampered with. */
  readonly isWhole: boolean;
  projects(): readonly string[];
  environments(): readonly string[];
  slugOf(projectId: string): string | undefined;
  projectOf(environmentId: string): string;
  environmentOf(environmentId: string): { readonly name: string; readonly kind: string } | undefined;
  projectNamed(slug: string): string | undefined;
  environmentNamed(qualified: string): string | undefined;
}

const HERE: Uid = { type: 'Installation', id: 'here' };

/** A resource as policies see it. */
export interface Described {
  readonly uid: Uid;
  /** Itself and all that it lies in. */
  readonly entities: readonly Entity[];
  readonly project: string | null;
  readonly production: boolean;
}

/** Undefined where a row on the way was tampered with: nobody knows then which policies it falls under. */
export function describe(places: PolicyPlaces, { project, environment, secret }: Resource): Described | undefined {
  const installation = entity(HERE);
  const owner = environment === null ? project : places.projectOf(environment);
  if (owner === null) return { uid: HERE, entities: [installation], project: null, production: true };
  const slug = places.slugOf(owner);
  if (slug === undefined) return undefined;
  const within = entity({ type: 'Project', id: slug }, HERE);
  const around = [within, installation];
  if (environment === null) return { uid: within.uid, entities: around, project: slug, production: true };
  const known = places.environmentOf(environment);
  if (known === undefined) return undefined;
  const here = entity({ type: 'Environment', id: `${slug}/${known.name}` }, within.uid);
  const folders = secret === undefined ? [] : pathOf(here.uid, secret);
  const production = known.kind === 'production';
  const uid = folders[0]?.uid ?? here.uid;
  return { uid, entities: [...folders, here, ...around], project: slug, production };
}

/** Whether something lies in production; in doubt it does. */
export function isOfProduction(places: PolicyPlaces, resource: Resource): boolean {
  return describe(places, resource)?.production ?? true;
}

/** A secret and its folders, from within outwards. */
function pathOf(environment: Uid, path: string): Entity[] {
  const parts = path.split('/');
  const all: Entity[] = [];
  let parent = environment;
  for (const [i, part] of parts.entries()) {
    const type = i === parts.length - 1 ? 'Secret' : 'Folder';
    const one = entity({ type, id: `${i === 0 ? environment.id : parent.id}/${part}` }, parent);
    all.unshift(one);
    parent = one.uid;
  }
  return all;
}

function entity(uid: Uid, ...parents: readonly Uid[]): Entity {
  return { uid, attrs: {}, parents };
}

const ACTION_ENTITIES: ReadonlyMap<Action, Entity> = new Map(
  GOVERNED.map((action) => {
    const groups = groupsOf(action).map((id) => ({ type: 'Action', id }));
    return [action, entity({ type: 'Action', id: action }, ...groups)];
  }),
);

/** An action, and its groups. */
export function actionEntity(action: Action): Entity {
  return ACTION_ENTITIES.get(action) ?? entity({ type: 'Action', id: action });
}

/** Somebody as policies see him, who asks about this. */
export function askerOf(principal: Principal, resource: Resource | null): Asker {
  const { id, kind, grants, workload } = principal;
  const uid = { type: kind === 'person' ? 'Person' : 'Service', id };
  const here = resource === null ? grants : grants.filter((grant) => covers(grant, resource));
  const held = new Map(here.map(({ opener }) => [nameOf(opener), opener]));
  const parents: Uid[] = [...held].map(([id, opener]) => ({ type: isRole(opener) ? 'Role' : 'Scope', id }));
  if (workload !== undefined) parents.push({ type: 'Workload', id: workload });
  return { uid, parents };
}

/** All places that there are, for whoever has to know where something is allowed. */
export function everyPlace(places: PolicyPlaces): readonly Resource[] {
  const projects = places.projects().map((project) => ({ project, environment: null }));
  const environments = places.environments().map((environment) => {
    return { project: places.projectOf(environment), environment };
  });
  return [INSTALLATION, ...projects, ...environments];
}
