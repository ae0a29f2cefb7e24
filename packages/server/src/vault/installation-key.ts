import { join } from 'node:path';
import type { Store } from '../database/store.ts';
import { openRootKey, type RootKey } from './root-key.ts';

/** Opens the root key of this installation, and at the very first start makes it and notes its check value. */
export async function openInstallationKey(
  store: Store,
  keyFile: string | undefined,
  userDataFolder: string,
  installation: string,
): Promise<RootKey> {
  const head = await store.reader.selectFrom('ledger_head').select('root_key_check').executeTakeFirstOrThrow();
  const rootKey = openRootKey(keyFile ?? join(userDataFolder, `${installation}.key`), head.root_key_check);
  if (head.root_key_check === null) {
    await store.writer.alone(() =>
      store.writer.transaction((db) => db.updateTable('ledger_head').set({ root_key_check: rootKey.check }).execute()),
    );
  }
  return rootKey;
}
