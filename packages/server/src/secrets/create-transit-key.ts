import type { WrappingKey } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { attribution, type Caller } from '../access/change-context.ts';
import type { TransitKeyRow } from '../database/transit-rows.ts';
import type { EntryDraft, Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { sealEnvelope } from '../vault/envelope.ts';
import { keyToEncrypt } from '../vault/open-vault-key.ts';
import { type InEnvironment, placeIn, type Vault } from '../vault/vault.ts';
import { newKeyBytes } from '../vault/wrapped-key.ts';
import { findTransitKey } from './transit.store.ts';

/** Makes a named key with its first version; there is none of the name yet, or that one is answered. */
export async function createTransitKey(
  vault: Vault,
  caller: Caller,
  place: InEnvironment,
  name: string,
): Promise<Recorded<TransitKeyRow> | Refusal> {
  const under = await keyToEncrypt(vault, place, 'transit');
  if (isRefusal(under)) return under;
  const id = vault.random.newId('transitKey');
  return await vault.ledger.record(transitEntry(caller, { id, ...place }, 'transit-key.created'), async (facts) => {
    const known = await findTransitKey(facts.db, place.environment_id, name);
    // By the ledger, whose entry of it is then the one to name.
    if (known !== undefined) return (await facts.find('transit_keys', known.id)) ?? known;
    const row = await facts.insert('transit_keys', {
      id,
      project_id: place.project_id,
      environment_id: place.environment_id,
      name,
      latest_version: 1,
      min_decryption_version: 1,
      min_encryption_version: 0,
      deletion_allowed: 0,
      created_at: vault.clock.wall(),
    });
    await insertVersion(vault, facts, row, under);
    return row;
  });
}

/** Adds a version, which encrypts from now on; where one is to be replaced, only while that is the newest. */
export async function rotateTransitKey(
  vault: Vault,
  caller: Caller,
  key: TransitKeyRow,
  replaced?: number,
): Promise<Recorded<TransitKeyRow> | Refusal> {
  const under = await keyToEncrypt(vault, key, 'transit');
  if (isRefusal(under)) return under;
  return await vault.ledger.record(transitEntry(caller, key, 'transit-key.rotated'), async (facts) => {
    const row = await facts.find('transit_keys', key.id);
    if (row === undefined) return refuse('SECRET_NOT_FOUND', 'There is no such key.');
    if (replaced !== undefined && row.latest_version !== replaced) return row;
    const rotated = await facts.update('transit_keys', row, { latest_version: row.latest_version + 1 });
    await insertVersion(vault, facts, rotated, under);
    return rotated;
  });
}

async function insertVersion(vault: Vault, facts: Facts, key: TransitKeyRow, under: WrappingKey): Promise<void> {
  const bytes = newKeyBytes();
  const version = key.latest_version;
  await facts.insert('transit_key_versions', {
    id: vault.random.newId('transitKeyVersion'),
    project_id: key.project_id,
    environment_id: key.environment_id,
    transit_key_id: key.id,
    version,
    vault_key_id: under.id,
    envelope: sealEnvelope(under, bytes, placeIn(vault, 'transit.key', key, key.id, version)),
    created_at: vault.clock.wall(),
  });
  bytes.fill(0);
}

/** What the entry of every change of a transit key says. */
export function transitEntry(
  caller: Caller,
  { id, project_id, environment_id }: Pick<TransitKeyRow, 'id' | 'project_id' | 'environment_id'>,
  action: string,
): EntryDraft {
  return { ...attribution(caller), action, subject: id, project: project_id, environment: environment_id, locks: [id] };
}
