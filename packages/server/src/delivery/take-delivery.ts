import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { DeliveryRow } from '../database/schema.ts';
import { openEnvelope } from '../vault/envelope.ts';
import { keyById } from '../vault/open-vault-key.ts';
import { Secret } from '../vault/secret.ts';
import { placeIn, SEALED, type Vault } from '../vault/vault.ts';
import { EnvelopeBroken } from '../vault/wrapped-key.ts';
import { findDelivery } from './deliveries.store.ts';
import { onceDigest } from './delivery.ts';

export interface Taken {
  readonly subject: string;
  readonly createdAt: number;
  readonly content: Secret;
}

const GONE = refuse('DELIVERY_GONE', 'It was taken already, its time is over, or it never was.');

/**
 * Takes a delivery: the entry that it is taken commits first, and takes the envelope out of the row; only then is it
 * opened. Of any number that come at once exactly one gets it, and the others raise an alarm.
 */
export async function takeDelivery(vault: Vault, token: string, ip: string): Promise<Taken | Refusal> {
  if (vault.keyring.sealed) return SEALED;
  const known = await findDelivery(vault.reader, onceDigest(token));
  if (known === undefined) return GONE;
  const outcome = await enterTaking(vault, known, ip);
  if (isRefusal(outcome)) return outcome;
  if (outcome === 'twice') vault.takenTwice(known.id);
  return typeof outcome === 'string' ? GONE : await openTaken(vault, outcome);
}

/** The row as it was before it was taken; each coming is an entry. */
async function enterTaking(
  { ledger, clock }: Vault,
  known: DeliveryRow,
  ip: string,
): Promise<DeliveryRow | 'twice' | 'late' | Refusal> {
  const now = clock.wall();
  const late = now >= known.expires_at;
  const draft = {
    actor: known.id,
    action: known.taken_at === null && !late ? 'delivery.taken' : 'delivery.refused',
    subject: known.subject,
    project: known.project_id,
    environment: known.environment_id,
    side: { ip },
    locks: [known.id],
    evenWithoutChange: true as const,
  };
  const recorded = await ledger.record(draft, async (facts) => {
    const row = await facts.find('deliveries', known.id);
    if (row === undefined) return GONE;
    if (row.envelope === null) return 'twice' as const;
    if (late) return 'late' as const;
    await facts.update('deliveries', row, { envelope: null, taken_at: now });
    return row;
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}

async function openTaken(vault: Vault, row: DeliveryRow): Promise<Taken | Refusal> {
  const key = await keyById(vault, row.vault_key_id);
  if (isRefusal(key)) return key;
  const place = placeIn(vault, 'delivery.content', row, row.id, 1);
  try {
    const plaintext = openEnvelope(key, row.envelope ?? '', place);
    const content = new Secret(plaintext.toString('utf8'));
    plaintext.fill(0);
    return { subject: row.subject, createdAt: row.created_at, content };
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', 'It does not open where it lies.');
  }
}
