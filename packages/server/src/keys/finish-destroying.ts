import { isRefusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { findOpenable, listDestroyed } from './keys.store.ts';

const KEYS_PER_READ = 500;
/** Secrets of one entry: its leaf is bounded. */
const BATCH = 40;

/**
 * Destroys what destroyed keys were verified with, where a process died, or a store failed, before the last entry of
 * their destruction. What was tampered with stays, and its alarm tells: else whoever writes past the ledger has secrets
 * of living keys destroyed. Destroying such a key again ends it.
 * @returns how many secrets
 */
export async function finishDestroying({
  ledger,
  reader,
}: {
  readonly ledger: Ledger;
  readonly reader: Kysely<Database>;
}): Promise<number> {
  let count = 0;
  for (let after = ''; ; ) {
    const keys = await listDestroyed(reader, after, KEYS_PER_READ);
    const last = keys.at(-1);
    if (last === undefined) return count;
    const byKey = Map.groupBy(await findOpenable(reader, keys), ({ key_id }) => key_id);
    for (const [subject, openable] of byKey) {
      for (let i = 0; i < openable.length; i += BATCH) {
        const [{ project_id: project, environment_id: environment }] = openable as [(typeof openable)[number]];
        const ids = openable.slice(i, i + BATCH).map(({ id }) => id);
        const draft = { actor: 'system', action: 'key.destroyed', subject, project, environment, locks: [subject] };
        const recorded = await ledger.record(draft, (facts) => destroySome(facts, subject, ids));
        if (!isRefusal(recorded)) count += recorded.value;
      }
    }
    after = last;
    await new Promise(setImmediate);
  }
}

async function destroySome(facts: Facts, keyId: string, ids: readonly string[]): Promise<number> {
  const key = await facts.examine('keys', keyId);
  if (key.tampered || key.row?.state !== 'destroyed') return 0;
  let destroyed = 0;
  for (const id of ids) {
    const { row, tampered } = await facts.examine('signature_keys', id);
    if (row === undefined || tampered) continue;
    const credential = await facts.examine('credentials', row.credential_id);
    if (credential.tampered || credential.row?.key_id !== keyId) continue;
    await facts.update('signature_keys', row, { envelope: null });
    destroyed++;
  }
  return destroyed;
}
