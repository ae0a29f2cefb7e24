import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Signing } from '@keyhold/protocol/operations/projects';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import { attributionWith, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { EnvironmentRow } from '../database/schema.ts';
import { showSigning } from './project.ts';
import { findSigning } from './projects.store.ts';

/** Sets how requests of an environment may be signed; a dialect that is left out is refused from then on. */
export async function setSigning(
  { ledger, random, clock, propagation }: ChangeContext,
  caller: Caller,
  environment: EnvironmentRow,
  { dialects, replay = 'shared', replayReads = 'refuse' }: Pick<Signing, 'dialects'> & Partial<Signing>,
): Promise<{ signing: Signing; barrier: Barrier; sequence: number } | Refusal> {
  const columns = { dialects: JSON.stringify(dialects), replay, replay_reads: replayReads };
  const draft = {
    ...attributionWith(caller, { dialects, replay, replayReads }),
    action: 'signing.set',
    code: dialects.map(({ dialect }) => dialect).join(','),
    subject: environment.id,
    project: environment.project_id,
    environment: environment.id,
    locks: [environment.id],
  };
  const recorded = await ledger.record(draft, async (facts) => {
    const found = await findSigning(facts.db, environment.id);
    if (found !== undefined) {
      const checked = await facts.find('signing_settings', found.id);
      return await facts.update('signing_settings', checked ?? found, columns);
    }
    const { id: environment_id, project_id } = environment;
    const own = { id: random.newId('signingSettings'), project_id, environment_id, created_at: clock.wall() };
    return await facts.insert('signing_settings', { ...own, ...columns });
  });
  if (isRefusal(recorded)) return recorded;
  const sequence = Math.max(recorded.sequence, ledger.head.sequence);
  const barrier = await propagation.taken(sequence, new Set([environment.id]));
  return { signing: showSigning(recorded.value), barrier, sequence: recorded.sequence };
}
