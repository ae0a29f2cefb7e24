import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Store } from '../database/store.ts';
import type { LivedTime } from '../ledger/lived-time.ts';
import type { Attributed } from '../ledger/entry.ts';
import {
  countKeptTiles,
  deletePruned,
  deletePrunedTokens,
  hasEntryUpTo,
  keptTree,
  lastBefore,
  PRUNED_ACTION,
  prunedUpTo,
  rowsUpTo,
  treeAt,
} from '../ledger/pruned.store.ts';
import { rootOfTree } from '../ledger/tree.ts';
import { verifyChain } from '../ledger/verify-chain.ts';
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
  /** How many of them just now. */
  readonly count: number;
  /** The export that keeps more from being given up. */
  readonly heldBy: Holder | null;
  /** Of the entry that says so; null where nothing was left to give up. */
  readonly sequence: number | null;
}

/** An export, and the newest entry that it has. */
interface Holder {
  readonly id: string;
  readonly name: string;
  readonly sequence: number;
}

interface Pruning {
  readonly vault: Vault;
  readonly store: Store;
  readonly log: TransparencyLog;
  readonly livedTime: Pick<LivedTime, 'latest'>;
}

/**
 * Gives entries up that are older than a time, in whole tiles: their hashes stay, so every proof and receipt holds.
 * First what they say of rows that are still there is said again, so that those stay checked against the log. Nothing
 * goes that an export does not have yet.
 */
export function pruneLog(pruning: Pruning, caller: Attributed, beforeMs: number): Promise<Pruned | Refusal> {
  return pruning.log.prunings.take(() => pruneInTurn(pruning, caller, beforeMs));
}

async function pruneInTurn(pruning: Pruning, caller: Attributed, beforeMs: number): Promise<Pruned | Refusal> {
  const { vault, log, livedTime } = pruning;
  // By a clock that is behind now all that is young would seem to have been entered ahead of its time.
  const last = await lastBefore(vault.reader, beforeMs, livedTime.latest());
  const checkpoint = await log.covering(Math.max(1, last));
  if (isRefusal(checkpoint)) return checkpoint;
  const slowest = await slowestExport(vault.reader);
  const upTo = wholeTiles(Math.min(last, slowest?.sequence ?? last));
  const heldBy = upTo < wholeTiles(last) ? slowest : null;
  const before = (await prunedUpTo(vault.reader)).upTo;
  if (upTo <= before) return { upTo: before, count: 0, heldBy, sequence: null };
  const refused =
    (await refuseUnsound(pruning)) ?? (await carryRows(vault, upTo)) ?? (await refuseUnkept(pruning, upTo));
  if (refused !== null) return refused;
  const draft = { ...caller, action: PRUNED_ACTION, subject: vault.ledger.head.installation, code: `up-to-${upTo}` };
  const recorded = await vault.ledger.record({ ...draft, evenWithoutChange: true }, ({ db }) => refuseLate(db, upTo));
  if (isRefusal(recorded)) return recorded;
  await deleteWhatWasPruned(pruning);
  return { upTo, count: upTo - before, heldBy, sequence: recorded.sequence };
}

const wholeTiles = (entries: number) => entries - (entries % TILE_WIDTH);

/** INVARIANT: nothing is given up that does not hold: afterwards nobody could tell any more. */
async function refuseUnsound({ vault: { reader, ledger } }: Pruning): Promise<Refusal | null> {
  const fault = await verifyChain(reader, ledger.head);
  if (fault === null) return null;
  return refuse('LOG_FORGED', `At entry ${fault.sequence}: ${fault.detail}. Nothing is given up.`);
}

/** INVARIANT: nothing is given up that its kept hashes do not stand for. */
async function refuseUnkept({ vault: { reader, ledger }, log }: Pruning, upTo: number): Promise<Refusal | null> {
  await log.tiles.keepFull(ledger.head.sequence);
  const [kept, made] = [await keptTree(reader, upTo), await treeAt(reader, upTo)];
  if (kept !== null && made !== null && rootOfTree(kept) === rootOfTree(made)) return null;
  await log.tiles.rebuild(ledger.head.sequence);
  return refuse('LOG_FORGED', 'The kept hashes were not those of the entries; they were made anew. Try again.');
}

/** What may have come in between, looked at where nothing does any more. */
async function refuseLate(db: Kysely<Database>, upTo: number): Promise<Refusal | null> {
  const late = (detail: string) => refuse('ATTEMPT_OVER', detail);
  const slowest = await slowestExport(db);
  if (slowest !== null && slowest.sequence < upTo) return late('An export needs these entries; try again.');
  if ((await prunedUpTo(db)).upTo >= upTo) return late('These entries were given up meanwhile.');
  const isKept = (await countKeptTiles(db, upTo)) === upTo / TILE_WIDTH;
  return isKept ? null : late('The hashes of these entries are being made anew; try again.');
}

/** Deletes what was given up, and by what it was found; goes on where a crash left it. */
export async function deleteWhatWasPruned({ vault, store }: Pick<Pruning, 'vault' | 'store'>): Promise<void> {
  const { upTo } = await prunedUpTo(vault.reader);
  // The entries go last: where none is left nothing else is either, and the index need not be looked through.
  if (upTo === 0 || !(await hasEntryUpTo(vault.reader, upTo))) return;
  const inTurn = <T>(work: (db: Kysely<Database>) => Promise<T>) =>
    store.writer.alone(() => store.writer.transaction(work));
  for (let after: string | null = ''; after !== null; ) {
    const from: string = after;
    after = await inTurn((db) => deletePrunedTokens(db, upTo, from));
    await new Promise(setImmediate);
  }
  for (let deleted = DELETED_AT_ONCE; deleted === DELETED_AT_ONCE; ) {
    deleted = await inTurn((db) => deletePruned(db, upTo, DELETED_AT_ONCE));
    await new Promise(setImmediate);
  }
}

async function slowestExport(db: Kysely<Database>): Promise<Holder | null> {
  let slowest: Holder | null = null;
  for (const row of await listExports(db)) {
    const { sequence } = (await readProgress(db, row.id)) ?? firstProgress(row);
    if (slowest === null || sequence < slowest.sequence) slowest = { id: row.id, name: row.name, sequence };
  }
  return slowest;
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
