import type { Kysely } from 'kysely';
import type { Key } from '@keyhold/protocol/operations/keys';
import type { Database, KeyRow } from '../database/schema.ts';
import { type KeyPlace, showCredential, showKey, stateAt, stricterOf } from './key.ts';
import { findAddressBooks, findSignatureKeys, listCredentials, type PlacedKey } from './keys.store.ts';
import { loadUses } from './usage.store.ts';

/** Keys with their credentials and each one's last use. */
export async function viewKeys(
  db: Kysely<Database>,
  keys: readonly (KeyRow & Pick<PlacedKey, 'project_slug' | 'environment_name'>)[],
  nowMs: number,
): Promise<Key[]> {
  const credentials = await listCredentials(
    db,
    keys.map(({ id }) => id),
  );
  const uses = await loadUses(
    db,
    credentials.map(({ id }) => id),
  );
  const addressBooks = await findAddressBooks(
    db,
    keys.map(({ id }) => id),
  );
  const signatureKeys = await findSignatureKeys(db, credentials);
  return keys.map((key) => {
    const own = credentials.filter(({ key_id }) => key_id === key.id);
    const shown = own.map((row) => {
      const credential = showCredential(row, uses.get(row.id), nowMs, signatureKeys.get(row.id));
      const { state, reason } = stricterOf(credential, { state: stateAt(key, nowMs), reason: key.reason });
      return { ...credential, state, reason };
    });
    const parts = { credentials: shown, addressBook: addressBooks.get(key.id) ?? [] };
    return showKey(key, { project: key.project_slug, environment: key.environment_name }, parts, nowMs);
  });
}

/** One key as it stands. */
export async function viewKey(db: Kysely<Database>, key: KeyRow, place: KeyPlace, nowMs: number): Promise<Key> {
  const placed = { ...key, project_slug: place.project, environment_name: place.environment };
  return (await viewKeys(db, [placed], nowMs))[0] as Key;
}
