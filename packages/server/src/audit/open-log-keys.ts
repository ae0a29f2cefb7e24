import { EnvelopeBroken, openEnvelope } from '@keyhold/verifier/open-envelope';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type LogAlgorithm, partsOf, sha256, signingKey } from '@keyhold/auditor/note-crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { type NoteKey, noteKey, SIGNATURE_TYPES } from '@keyhold/protocol/log/signed-note';
import type { Kysely } from 'kysely';
import type { Database, LogKeyRow } from '../database/schema.ts';
import { readChecked, readCheckedRows } from '../ledger/checked-rows.ts';
import { sealEnvelope } from '../vault/envelope.ts';
import { keyById, keyToEncrypt } from '../vault/open-vault-key.ts';
import { type InEnvironment, placeIn, type Vault } from '../vault/vault.ts';
import { listLogKeys } from './log.store.ts';

/** What one of the log's signatures is made with. */
export interface LogKey {
  readonly note: NoteKey;
  readonly privateKey: KeyObject;
}

/** Of the log and of its exports. */
const MAX_KEYS = 100;
/** What checkpoints are signed with. */
export const LOG_ALGORITHMS = ['ed25519', 'ml-dsa-44'] as const satisfies readonly LogAlgorithm[];

/** The key as others check with it. */
export function noteKeyOf({ origin, algorithm, public_key }: LogKeyRow): NoteKey {
  const type = algorithm === 'ed25519' ? SIGNATURE_TYPES.ed25519 : SIGNATURE_TYPES.mlDsa44;
  return noteKey(sha256, origin, type, Buffer.from(public_key, 'hex'));
}

/** The log's keys, as the ledger recorded them; those of an installation that is new are made, with their entry. */
export async function openLogKeys(
  vault: Vault,
  place: InEnvironment,
  origin: string,
  algorithms: readonly LogAlgorithm[],
): Promise<LogKey[] | Refusal> {
  const rows = await ensureRows(vault, place, origin, algorithms);
  if (isRefusal(rows)) return rows;
  const keys: LogKey[] = [];
  for (const row of rows) {
    const key = await openRow(vault, row);
    if (isRefusal(key)) return key;
    keys.push(key);
  }
  return keys;
}

/** The keys' rows, each checked. Public keys need no seal to be open. */
export async function checkedLogKeys(vault: Vault, origin: string): Promise<LogKeyRow[] | Refusal> {
  const rows: LogKeyRow[] = [];
  // From what the ledger knows, not from the table: where somebody deleted the keys no others are made.
  const { rows: known } = await readChecked(vault.reader, 'log_keys', '', MAX_KEYS);
  for (const checked of known) {
    if ('tampered' in checked) {
      vault.tampered(checked.tampered);
      return refuse('ROW_TAMPERED', `The log's key ${checked.tampered} was tampered with.`);
    }
    const row = checked.row as LogKeyRow;
    if (row.origin === origin) rows.push(row);
  }
  return rows;
}

/**
 * Keys that this log signs with: those in the database that are what the ledger recorded, and those that somebody wrote
 * down elsewhere, of which one that swaps the database knows nothing.
 */
export async function logKeysOf(
  reader: Kysely<Database>,
  origin: string,
  writtenDown: readonly NoteKey[],
): Promise<NoteKey[]> {
  const checked = await readCheckedRows(reader, ['log_keys'], await listLogKeys(reader, origin));
  const rows = checked.flatMap((row) => ('tampered' in row ? [] : [row.row as LogKeyRow]));
  return [...writtenDown, ...rows.map(noteKeyOf)].filter(({ name }) => name === origin);
}

async function ensureRows(
  vault: Vault,
  place: InEnvironment,
  origin: string,
  algorithms: readonly LogAlgorithm[],
): Promise<LogKeyRow[] | Refusal> {
  const known = await checkedLogKeys(vault, origin);
  if (isRefusal(known)) return known;
  if (known.length === algorithms.length) return known;
  if (known.length > 0) return refuse('ROW_TAMPERED', 'A key of the log is missing.');
  const under = await keyToEncrypt(vault, place, 'log');
  if (isRefusal(under)) return under;
  const { random, clock, ledger } = vault;
  const fresh = algorithms.map((algorithm): Omit<LogKeyRow, 'salt'> => {
    const id = random.newId('logKey');
    const { seed, publicKey } = partsOf(generateKeyPairSync(algorithm as 'ed25519').privateKey);
    const envelope = sealEnvelope(under, seed, placeIn(vault, 'log.key', place, id, 1));
    seed.fill(0);
    const { project_id, environment_id } = place;
    return {
      ...{ id, project_id, environment_id, origin, algorithm, public_key: publicKey.toString('hex') },
      ...{ vault_key_id: under.id, envelope, created_at: clock.wall() },
    };
  });
  const draft = { actor: 'system', action: 'log-key.created', subject: (fresh[0] as { id: string }).id };
  const recorded = await ledger.record(draft, async (facts) => {
    // Two who come at once make one pair.
    if ((await listLogKeys(facts.db, origin)).length > 0) return null;
    for (const row of fresh) await facts.insert('log_keys', row);
    return null;
  });
  return isRefusal(recorded) ? recorded : await checkedLogKeys(vault, origin);
}

async function openRow(vault: Vault, row: LogKeyRow): Promise<LogKey | Refusal> {
  const under = await keyById(vault, row.vault_key_id);
  if (isRefusal(under)) return under;
  const place = placeIn(vault, 'log.key', row, row.id, 1);
  try {
    const seed = openEnvelope(under, row.envelope, place);
    const privateKey = signingKey(row.algorithm, seed, Buffer.from(row.public_key, 'hex'));
    seed.fill(0);
    return { note: noteKeyOf(row), privateKey };
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return refuse('ENVELOPE_BROKEN', `The log's key ${row.id} does not open where it lies.`);
  }
}
