import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { RateLimit } from '@keyhold/protocol/feed';
import type { Consumer } from '@keyhold/protocol/operations/projects';
import { attributionWith, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { ProjectRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import { showConsumer } from './project.ts';
import { findConsumerByExternalId } from './projects.store.ts';
import { checkMetadata, checkRateLimits } from './settings.ts';

export interface NewConsumer {
  readonly name: string;
  readonly externalId?: string;
  readonly rateLimits?: readonly RateLimit[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Creates a consumer. */
export async function createConsumer(
  { ledger, random, clock, propagation }: ChangeContext,
  caller: Caller,
  project: ProjectRow,
  input: NewConsumer,
): Promise<Recorded<Consumer> | Refusal> {
  const wrong = checkRateLimits(input.rateLimits) ?? checkMetadata(input.metadata);
  if (wrong !== null) return wrong;
  const id = random.newId('consumer');
  const { externalId = null } = input;
  const by = attributionWith(caller, { rateLimits: input.rateLimits ?? [] });
  const draft = { ...by, action: 'consumer.created', subject: id, project: project.id };
  const recorded = await ledger.record(draft, async (facts) => {
    if (externalId !== null && (await findConsumerByExternalId(facts.db, project.id, externalId))) {
      return refuse('EXTERNAL_ID_TAKEN', 'Another consumer of this project has it.', '/externalId');
    }
    const row = await facts.insert('consumers', {
      id,
      project_id: project.id,
      name: input.name,
      external_id: externalId,
      rate_limits: JSON.stringify(input.rateLimits ?? []),
      metadata: input.metadata === undefined ? null : JSON.stringify(input.metadata),
      created_at: clock.wall(),
    });
    return showConsumer(row, project.slug);
  });
  if (!isRefusal(recorded)) await propagation.given(recorded.sequence);
  return recorded;
}
