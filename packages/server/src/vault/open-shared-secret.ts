import { createSecretKey, type KeyObject } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SealedField } from '@keyhold/protocol/sealed-field';
import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import { keyById } from './open-vault-key.ts';
import { type InEnvironment, placeIn, type Vault } from './vault.ts';

interface Sealed extends InEnvironment {
  readonly id: string;
  readonly vault_key_id: string | null;
  readonly envelope: string | null;
}

/**
 * Opens a secret that an authenticator app has too, as a key to compare its codes by.
 * @param whose as the refusal names it
 */
export async function openSharedSecret(
  vault: Vault,
  field: SealedField,
  row: Sealed,
  whose: string,
): Promise<KeyObject | Refusal> {
  const key = await keyById(vault, row.vault_key_id ?? '');
  if (isRefusal(key)) return key;
  const place = placeIn(vault, field, row, row.id, 1);
  try {
    const bytes = openEnvelope(key, row.envelope ?? '', place);
    const secret = createSecretKey(bytes);
    bytes.fill(0);
    return secret;
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', `The secret of ${whose} does not open where it lies.`);
  }
}
