import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Facts } from '../ledger/facts.ts';
import { sealSecret } from '../vault/seal-secret.ts';
import { keyToEncrypt } from '../vault/open-vault-key.ts';
import { Secret } from '../vault/secret.ts';
import { type InEnvironment, placeIn, type Vault } from '../vault/vault.ts';
import { newOnceToken, onceDigest } from './delivery.ts';

/** What one may carry, as UTF-8: a secret of 1 MiB however it is written, with room. A backup has it on one line. */
export const MAX_DELIVERED_BYTES = 4 * 1024 * 1024;

/** A delivery that is prepared: its key is open and its token made, so that it can be written within any change. */
export interface PreparedDelivery {
  readonly id: string;
  readonly token: Secret;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** The same, over at that time at the latest (epoch milliseconds; null: never): what it carries is not to outlive it. */
  readonly endingBy: (ms: number | null) => PreparedDelivery;
  /** Writes it with the change that it belongs to: both or neither. `content` is text, JSON by convention. */
  readonly insert: (facts: Facts, subject: string, content: Secret) => Promise<void>;
}

/** Prepares something to be taken once, within a time. */
export async function createDelivery(
  vault: Vault,
  place: InEnvironment,
  ttlSeconds: number,
): Promise<PreparedDelivery | Refusal> {
  const key = await keyToEncrypt(vault, place, 'deliveries');
  if (isRefusal(key)) return key;
  const { random, clock } = vault;
  const id = random.newId('delivery');
  const token = newOnceToken(random.bytes(32));
  const now = clock.wall();
  const prepare = (expiresAt: number): PreparedDelivery => ({
    id,
    token: new Secret(token),
    createdAt: now,
    expiresAt,
    endingBy: (ms) => prepare(Math.min(expiresAt, ms ?? expiresAt)),
    insert: (facts, subject, content) => insert(facts, subject, content, expiresAt),
  });
  const insert = async (facts: Facts, subject: string, content: Secret, expiresAt: number) => {
    const envelope = sealSecret(key, content, placeIn(vault, 'delivery.content', place, id, 1));
    // As hex; what is beside the content in it is a few hundred bytes.
    if (envelope.length > 2 * MAX_DELIVERED_BYTES + 4_096) throw new RangeError('too large to be delivered');
    await facts.insert('deliveries', {
      id,
      project_id: place.project_id,
      environment_id: place.environment_id,
      subject,
      digest: onceDigest(token),
      vault_key_id: key.id,
      envelope,
      taken_at: null,
      expires_at: expiresAt,
      created_at: now,
    });
  };
  return prepare(now + ttlSeconds * 1000);
}
