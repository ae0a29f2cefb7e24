import { isRefusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';
import { findEnvironment, findEnvironmentByPrefix, findProject } from './projects.store.ts';

const PROJECT = { slug: 'default', name: 'Default' };
const ENVIRONMENT = 'production';
const PREFIX = 'kh_default';
const LEASE_SECONDS = 30;

/**
 * Makes `default/production`, where clients of Vault's wire API are when they name no place, and where the keys of the
 * installation itself lie.
 */
export async function ensureDefaultPlace({
  ledger,
  reader,
  clock,
  random,
}: {
  readonly ledger: Ledger;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly random: Random;
}): Promise<{ readonly project_id: string; readonly environment_id: string }> {
  const known = await findProject(reader, PROJECT.slug);
  const there = known === undefined ? undefined : await findEnvironment(reader, known.id, ENVIRONMENT);
  if (there !== undefined) return { project_id: there.project_id, environment_id: there.id };
  const projectId = known?.id ?? random.newId('project');
  const id = random.newId('environment');
  const draft = { actor: 'system', action: 'environment.created', subject: id, project: projectId, environment: id };
  const recorded = await ledger.record(draft, async (facts) => {
    // Whoever had the prefix before there was this place keeps it.
    let prefix = PREFIX;
    for (let n = 2; (await findEnvironmentByPrefix(facts.db, prefix)) !== undefined; n++) prefix = `${PREFIX}_${n}`;
    const now = clock.wall();
    if (known === undefined) await facts.insert('projects', { id: projectId, ...PROJECT, created_at: now });
    return await facts.insert('environments', {
      id,
      project_id: projectId,
      name: ENVIRONMENT,
      prefix,
      kind: 'production',
      lease_seconds: LEASE_SECONDS,
      after_lease: 'refuse',
      created_at: now,
    });
  });
  if (isRefusal(recorded)) throw new Error(recorded.detail);
  return { project_id: projectId, environment_id: id };
}
