import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { DeliveryRow } from '../database/schema.ts';
import { keyById } from '../vault/open-vault-key.ts';
import { Secret } from '../vault/secret.ts';
import { placeIn, type Vault } from '../vault/vault.ts';

/** What a delivery carries, by its row as it was before it was taken. Who gives it to somebody takes it first. */
export async function openDelivery(vault: Vault, row: DeliveryRow): Promise<Secret | Refusal> {
  const key = await keyById(vault, row.vault_key_id);
  if (isRefusal(key)) return key;
  const place = placeIn(vault, 'delivery.content', row, row.id, 1);
  try {
    const plaintext = openEnvelope(key, row.envelope ?? '', place);
    const content = new Secret(plaintext.toString('utf8'));
    plaintext.fill(0);
    return content;
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', 'It does not open where it lies.');
  }
}
