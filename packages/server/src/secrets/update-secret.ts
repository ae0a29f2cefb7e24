import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { SecretMetadata, SecretMetadataChange, StoredSecret } from '@keyhold/protocol/operations/secrets';
import type { Caller } from '../access/change-context.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Vault } from '../vault/vault.ts';
import { findHeld, secretEntry } from './open-secret.ts';
import { type PlacedSecret, showSecret } from './secret-record.ts';

export interface SecretSettings {
  readonly metadata?: SecretMetadata;
  readonly maxVersions?: number;
  readonly casRequired?: boolean;
}

/** Settings to be changed; metadata can be what becomes of those that are there in that moment. */
export interface SecretChanges extends Omit<SecretSettings, 'metadata'> {
  readonly metadata?: SecretMetadataChange | ((stored: SecretMetadata) => SecretMetadata | Refusal);
}

/** Changes what is known of a secret. */
export async function updateSecret(
  { ledger, clock }: Vault,
  caller: Caller,
  secret: PlacedSecret,
  { metadata, maxVersions, casRequired }: SecretChanges,
): Promise<Recorded<StoredSecret> | Refusal> {
  const recorded = await ledger.record(secretEntry(caller, secret, 'secret.updated'), async (facts) => {
    const row = await findHeld(facts, secret);
    if (isRefusal(row)) return row;
    const stored = JSON.parse(row.metadata) as SecretMetadata;
    const known = typeof metadata === 'function' ? metadata(stored) : metadata && replaced(stored, metadata);
    if (known !== undefined && isRefusal(known)) return known;
    const patch = {
      ...(known === undefined ? {} : { metadata: JSON.stringify(known) }),
      ...(maxVersions === undefined ? {} : { max_versions: maxVersions }),
      ...(casRequired === undefined ? {} : { cas_required: casRequired ? (1 as const) : (0 as const) }),
    };
    return await facts.update('secrets', row, { ...patch, updated_at: clock.wall() });
  });
  return isRefusal(recorded) ? recorded : { ...recorded, value: showSecret(recorded.value, secret) };
}

/** That a new version is due is said by others too: what does not name it leaves it. */
function replaced(
  stored: SecretMetadata,
  { rotateBy = stored.rotateBy, ...given }: SecretMetadataChange,
): SecretMetadata {
  return rotateBy === null || rotateBy === undefined ? given : { ...given, rotateBy };
}
