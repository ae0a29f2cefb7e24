import { OUR_PREFIXES } from '@keyhold/protocol/credential-format';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Environment } from '@keyhold/protocol/operations/projects';
import type { EnvironmentKind } from '@keyhold/protocol/state';
import { attributionWith, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { ProjectRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import { showEnvironment } from './project.ts';
import { findEnvironment, findEnvironmentByPrefix } from './projects.store.ts';

export interface NewEnvironment {
  readonly name: string;
  readonly prefix: string;
  readonly kind?: EnvironmentKind;
  readonly leaseSeconds?: number;
  readonly afterLease?: 'refuse' | 'serve';
}

const DEFAULT_LEASE_SECONDS = 30;

/** Creates an environment; its prefix is unique in the installation, so a key names its environment. */
export async function createEnvironment(
  { ledger, random, clock, propagation }: ChangeContext,
  caller: Caller,
  project: ProjectRow,
  input: NewEnvironment,
): Promise<Recorded<Environment> | Refusal> {
  if (OUR_PREFIXES.includes(input.prefix)) {
    return refuse('PREFIX_TAKEN', `"${input.prefix}" starts Keyhold's own tokens.`, '/prefix');
  }
  const id = random.newId('environment');
  const { kind = 'production', leaseSeconds = DEFAULT_LEASE_SECONDS, afterLease = 'refuse' } = input;
  const settings = { kind, leaseSeconds, afterLease };
  const draft = {
    ...attributionWith(caller, settings),
    action: 'environment.created',
    subject: id,
    project: project.id,
    environment: id,
  };
  const recorded = await ledger.record(draft, async (facts) => {
    if (await findEnvironment(facts.db, project.id, input.name)) {
      return refuse('ENVIRONMENT_EXISTS', `${project.slug} has an environment "${input.name}".`, '/name');
    }
    if (await findEnvironmentByPrefix(facts.db, input.prefix)) {
      return refuse('PREFIX_TAKEN', `"${input.prefix}" is taken.`, '/prefix');
    }
    const row = await facts.insert('environments', {
      id,
      project_id: project.id,
      name: input.name,
      prefix: input.prefix,
      kind: settings.kind,
      lease_seconds: settings.leaseSeconds,
      after_lease: settings.afterLease,
      created_at: clock.wall(),
    });
    return showEnvironment(row, project.slug);
  });
  if (!isRefusal(recorded)) await propagation.environmentGiven(recorded.sequence, project.id, id);
  return recorded;
}
