import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import type { Store } from '../database/store.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import {
  deletePruned,
  deletePrunedTokens,
  lastBefore,
  PRUNED_ACTION,
  prunedUpTo,
  rowsUpTo,
} from '../ledger/pruned.store.ts';
import type { Vault } from '../vault/vault.ts';
import { firstProgress } from './exporter.ts';
import { listExports, readProgress } from './exports.store.ts';
import type { TransparencyLog } from './log.ts';

/** Rows of one entry: its leaf is bounded. */
const CARRIED_AT_ONCE = 50;
const DELETED_AT_ONCE = 1_000;

export interface Pruned {
  /** Entries that were given up, from the first on, now and before. */
  readonly upTo: number;
}

interface Pruning {
  readonly vault: Vault;
  readonly store: Store;
  readonly log: TransparencyLog;
}

/**
 * Gives entries up that are older than a time, in whole tiles: their hashes stay, so every proof and receipt holds.
 * First what they say of rows that are still there is said again, so that those stay checked against the log. Nothing
 * goes that an export does not have yet.
 */
export async function pruneLog(
  pruning: Pruning,
  caller: Pick<EntryDraft, 'actor' | 'side'>,
  beforeMs: number,
): Promise<Pruned | Refusal> {
  const { vault, log } = pruning;
  const last = await lastBefore(vault.reader, beforeMs);
  const checkpoint = await log.covering(Math.max(1, last));
  if (isRefusal(checkpoint)) return checkpoint;
  const most = Math.min(last, await exportedUpTo(vault));
  const upTo = most - (most % TILE_WIDTH);
  const before = await prunedUpTo(vault.reader);
  if (upTo <= before) return { upTo: before };
  await log.tiles.keepFull(checkpoint.size);
  const carried = await carryRows(vault, upTo);
  if (carried !== null) return carried;
  const draft = { ...caller, action: PRUNED_ACTION, subject: vault.ledger.head.installation, code: `up-to-${upTo}` };
  const recorded = await vault.ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
  if (isRefusal(recorded)) return recorded;
  await deleteWhatWasPruned(pruning);
  return { upTo };
}

/** Deletes what was given up; goes on where a crash left it. */
export async function deleteWhatWasPruned({ vault, store }: Pick<Pruning, 'vault' | 'store'>): Promise<void> {
  const upTo = await prunedUpTo(vault.reader);
  if (upTo === 0) return;
  const { writer } = store;
  for (let deleted = DELETED_AT_ONCE; deleted === DELETED_AT_ONCE; ) {
    deleted = await writer.alone(() => writer.transaction((db) => deletePruned(db, upTo, DELETED_AT_ONCE)));
    if (deleted > 0 && deleted < DELETED_AT_ONCE) {
      await writer.alone(() => writer.transaction((db) => deletePrunedTokens(db, upTo)));
    }
    await new Promise(setImmediate);
  }
}

async function exportedUpTo(vault: Vault): Promise<number> {
  let least = Number.MAX_SAFE_INTEGER;
  for (const row of await listExports(vault.reader)) {
    const { sequence } = (await readProgress(vault.reader, row.id)) ?? firstProgress(row);
    least = Math.min(least, sequence);
  }
  return least;
}

async function carryRows(vault: Vault, upTo: number): Promise<Refusal | null> {
  for (;;) {
    const ids = await rowsUpTo(vault.reader, upTo, CARRIED_AT_ONCE);
    if (ids.length === 0) return null;
    const draft = { actor: 'system', action: 'rows.carried', subject: vault.ledger.head.installation, locks: ids };
    const recorded = await vault.ledger.record(draft, async (facts) => {
      for (const id of ids) await facts.carry(id);
      return null;
    });
    if (isRefusal(recorded)) return recorded;
  }
}
