import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import type { Principal, Resource } from '../access/principal.ts';
import type { PlaceNames, TokenPlaces } from '../access/token.ts';
import type { Database, TokenRow } from '../database/schema.ts';
import { openEnvironment, openProject } from './locate.ts';
import { listEnvironments, listProjects } from './projects.store.ts';

/** Finds the places that tokens and roles are bound to, within where the caller may do this. */
export function tokenPlaces(reader: Kysely<Database>, action: Action): TokenPlaces {
  return {
    projectIds: async (principal: Principal, slugs: readonly string[]): Promise<string[] | Refusal> => {
      const ids: string[] = [];
      for (const slug of slugs) {
        const opened = await openProject(reader, principal, action, slug);
        if (isRefusal(opened)) return opened;
        ids.push(opened.project.id);
      }
      return ids;
    },
    environmentAt: async (principal: Principal, qualifiedName: string): Promise<Resource | Refusal> => {
      const [slug = '', name = ''] = qualifiedName.split('/');
      const place = await openEnvironment(reader, principal, action, slug, name);
      return isRefusal(place) ? place : { project: place.project.id, environment: place.environment.id };
    },
    names: (bound) => namesOf(reader, bound),
  };
}

async function namesOf(
  reader: Kysely<Database>,
  tokens: readonly Pick<TokenRow, 'projects' | 'environment_id'>[],
): Promise<PlaceNames> {
  const ids = tokens.flatMap(({ projects }) => (projects === null ? [] : (JSON.parse(projects) as string[])));
  const projects = ids.length === 0 ? [] : await listProjects(reader, ids, undefined, ids.length);
  const environments = new Map<string, string>();
  const projectOf = new Map<string, string>();
  for (const { environment_id } of tokens) {
    if (environment_id === null || environments.has(environment_id)) continue;
    const [found] = await listEnvironments(reader, { ids: [environment_id] });
    if (found === undefined) continue;
    environments.set(environment_id, `${found.slug}/${found.name}`);
    projectOf.set(environment_id, found.project_id);
  }
  return { projects: new Map(projects.map(({ id, slug }) => [id, slug])), environments, projectOf };
}
