import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import { isRefusal } from '@keyhold/protocol/errors';
import type { Store } from '../database/store.ts';
import { keyById } from '../vault/open-vault-key.ts';
import { placeOfEnvelope } from '../vault/rewrap.ts';
import { ENVELOPE_TABLES } from '../vault/rewrap.store.ts';
import type { Vault } from '../vault/vault.ts';
import { readPage } from './backup.store.ts';

const PAGE = 8;

/** Opens every envelope that there is, and forgets what was in it. */
export async function openEveryEnvelope(store: Store, vault: Vault): Promise<{ opened: number; broken: string[] }> {
  let opened = 0;
  const broken: string[] = [];
  for (const table of ENVELOPE_TABLES) {
    for (let after: unknown, more = true; more; ) {
      const page = await readPage(store.reader, table, after, PAGE);
      for (const row of page.rows as never[]) {
        const { id, envelope, vault_key_id } = row as { id: string; envelope: string | null; vault_key_id: string };
        if (envelope === null) continue;
        const key = await keyById(vault, vault_key_id);
        try {
          if (isRefusal(key)) broken.push(`${id}: ${key.detail}`);
          else {
            openEnvelope(key, envelope, placeOfEnvelope(vault, table, row)).fill(0);
            opened++;
          }
        } catch (error) {
          if (!(error instanceof EnvelopeBroken)) throw error;
          broken.push(`${id}: ${error.message}`);
        }
      }
      after = page.last;
      more = after !== undefined;
    }
  }
  return { opened, broken };
}
