import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { StoredSecret } from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { EnvironmentRow, ProjectRow } from '../database/schema.ts';
import type { Vault } from '../vault/vault.ts';
import { secretEntry } from './open-secret.ts';
import { showSecret } from './secret-record.ts';
import { findSecretByPath } from './secrets.store.ts';
import type { SecretSettings } from './update-secret.ts';

/** Makes a secret that has no version yet: what is known of it may be written down first. */
export async function createSecret(
  { ledger, random, clock }: Vault,
  caller: Caller,
  { project, environment }: { readonly project: ProjectRow; readonly environment: EnvironmentRow },
  { path, metadata = {}, maxVersions = 0, casRequired = false }: SecretSettings & { readonly path: string },
): Promise<StoredSecret | Refusal> {
  const place = { id: random.newId('secret'), project_id: project.id, environment_id: environment.id };
  const recorded = await ledger.record(secretEntry(caller, place, 'secret.created'), async (facts) => {
    if ((await findSecretByPath(facts.db, environment.id, path)) !== undefined) {
      return refuse('CAS_MISMATCH', 'Somebody stored it meanwhile; try again.');
    }
    const now = clock.wall();
    return await facts.insert('secrets', {
      ...place,
      path,
      version: 0,
      max_versions: maxVersions,
      cas_required: casRequired ? 1 : 0,
      metadata: JSON.stringify(metadata),
      created_at: now,
      updated_at: now,
    });
  });
  if (isRefusal(recorded)) return recorded;
  return showSecret(recorded.value, { project_slug: project.slug, environment_name: environment.name });
}
