import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Credential } from '@keyhold/protocol/operations/credentials';
import { type Way, writeWay } from '../delivery/deliver.ts';
import type { Facts } from '../ledger/facts.ts';
import { showCredential } from './key.ts';
import { isPublicKeyTaken } from './keys.store.ts';
import type { PreparedCredential } from './new-credential.ts';

/** Writes a prepared credential of a key, what it is verified with, and how it leaves: all within one change. */
export async function insertCredential(
  facts: Facts,
  keyId: string,
  { columns, signatureKey, content }: PreparedCredential,
  way: Way | undefined,
  nowMs: number,
): Promise<Credential | Refusal> {
  const publicKey = signatureKey?.public_key ?? null;
  if (publicKey !== null && (await isPublicKeyTaken(facts.db, publicKey))) {
    const detail = 'Another credential of this installation has, or had, this public key: make a new pair.';
    return refuse('PUBLIC_KEY_TAKEN', detail, '/credential/publicKey');
  }
  const row = await facts.insert('credentials', { ...columns, key_id: keyId });
  const signs = signatureKey === null ? undefined : await facts.insert('signature_keys', signatureKey);
  if (content !== null) await writeWay(way, facts, columns.id, content);
  return showCredential(row, undefined, nowMs, signs);
}
