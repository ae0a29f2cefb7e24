import { EnvelopeBroken, type WrappingKey, unwrapKey } from '@keyhold/verifier/open-envelope';
import { isRefusal, refuse } from '@keyhold/protocol/errors';
import type {
  DeliveryRow,
  LogKeyRow,
  PeriodKeyRow,
  PersonalKeyRow,
  SecretVersionRow,
  SignatureKeyRow,
  VaultKeyRow,
} from '../database/schema.ts';
import type { TransitKeyVersionRow } from '../database/transit-rows.ts';
import type { ConsumerFactorRow } from '../database/factor-rows.ts';
import type { PersonPasswordRow } from '../database/people-rows.ts';
import type { SignOnRow } from '../database/sign-on-rows.ts';
import type { Facts } from '../ledger/facts.ts';
import { rewrapEnvelope } from './envelope.ts';
import { keyById, keyToEncrypt } from './open-vault-key.ts';
import {
  countStaleKeys,
  ENVELOPE_TABLES,
  type EnvelopeTable,
  findStaleKeys,
  findStaleRows,
  type ReplacedKey,
  type StaleRow,
} from './rewrap.store.ts';
import { SEALED_FIELDS, type Place, type Purpose, type SealedField } from '@keyhold/protocol/sealed-field';
import { retireKeys } from './retire-keys.ts';
import { currentRoot } from './current-root.ts';
import { placeIn, type Vault } from './vault.ts';
import { wrapKey } from './wrapped-key.ts';

/** Rows of one entry: its leaf is bounded. */
const BATCH = 40;

type EnvelopeRow =
  | SecretVersionRow
  | DeliveryRow
  | TransitKeyVersionRow
  | LogKeyRow
  | PersonalKeyRow
  | PeriodKeyRow
  | SignatureKeyRow
  | ConsumerFactorRow
  | PersonPasswordRow
  | SignOnRow;

/** What lies in each table's envelopes, and where it belongs. */
const CONTENT: Readonly<
  Record<
    EnvelopeTable,
    { readonly field: SealedField; readonly of: (row: never) => readonly [id: string, version: number] }
  >
> = {
  secret_versions: { field: 'secret.value', of: (row: SecretVersionRow) => [row.secret_id, row.version] },
  deliveries: { field: 'delivery.content', of: (row: DeliveryRow) => [row.id, 1] },
  log_keys: { field: 'log.key', of: (row: LogKeyRow) => [row.id, 1] },
  personal_keys: { field: 'personal.key', of: (row: PersonalKeyRow) => [row.id, 1] },
  signature_keys: { field: 'credential.secret', of: (row: SignatureKeyRow) => [row.credential_id, 1] },
  consumer_factors: { field: 'factor.secret', of: (row: ConsumerFactorRow) => [row.id, 1] },
  sign_ons: { field: 'sign-on.secret', of: (row: SignOnRow) => [row.id, 1] },
  person_passwords: { field: 'person.totp', of: (row: PersonPasswordRow) => [row.id, 1] },
  period_keys: { field: 'period.key', of: (row: PeriodKeyRow) => [row.id, 1] },
  transit_key_versions: { field: 'transit.key', of: (row: TransitKeyVersionRow) => [row.transit_key_id, row.version] },
};

/**
 * Re-wraps everything that lies under an old version of its key, in batches with an entry each. Rows that are not what
 * was written are left alone: the alarm about them tells. Can end anywhere and be begun again.
 * @returns how many were re-wrapped
 */
export async function rewrapAll(vault: Vault, stopped: () => boolean): Promise<number> {
  let count = await rewrapKeys(vault, stopped);
  const left = new Map<string, ReplacedKey>();
  for (const table of ENVELOPE_TABLES) {
    let after = '';
    while (!stopped() && !vault.keyring.sealed) {
      const stale = await findStaleRows(vault.reader, table, after, BATCH);
      const [first] = stale;
      if (first === undefined) break;
      // One environment a batch: an entry is of one place.
      const other = stale.findIndex(({ environment_id }) => environment_id !== first.environment_id);
      const own = other < 0 ? stale : stale.slice(0, other);
      const moved = await rewrapBatch(vault, table, own);
      for (const key of moved) left.set(key.id, key);
      count += moved.length;
      after = (own.at(-1) as StaleRow).id;
    }
  }
  if (!vault.keyring.sealed) await retireKeys(vault, left, stopped);
  return count;
}

/** @returns of each row that moved the key that it lay under */
async function rewrapBatch(vault: Vault, table: EnvelopeTable, batch: readonly StaleRow[]): Promise<ReplacedKey[]> {
  const [first] = batch as [StaleRow];
  const { field } = CONTENT[table];
  const to = await keyToEncrypt(vault, first, SEALED_FIELDS[field] as Purpose);
  if (isRefusal(to)) return [];
  for (let i = 1; i < batch.length; i++) await vault.uses.take(to.id);
  const from = await oldKeys(vault, batch);
  const draft = {
    actor: 'system',
    action: 'vault-key.rewrapped',
    subject: to.id,
    project: first.project_id,
    environment: first.environment_id,
    code: table.replaceAll('_', '-'),
    locks: batch.map(({ id }) => id),
  };
  const recorded = await vault.ledger.record(draft, async (facts) => {
    const moved: ReplacedKey[] = [];
    for (const { id, project_id, environment_id } of batch) {
      const old = await rewrapRow(vault, facts, table, id, from, to);
      if (old !== null) moved.push({ id: old.id, version: old.version, project_id, environment_id });
    }
    return moved;
  });
  return isRefusal(recorded) ? [] : recorded.value;
}

/** The keys that the rows lie under: opened before, since a change awaits nothing but the database. */
async function oldKeys(vault: Vault, batch: readonly StaleRow[]): Promise<ReadonlyMap<string, WrappingKey>> {
  const keys = new Map<string, WrappingKey>();
  for (const id of new Set(batch.map(({ vault_key_id }) => vault_key_id))) {
    const key = await keyById(vault, id);
    if (!isRefusal(key)) keys.set(id, key);
  }
  return keys;
}

/** @returns the key that it lay under; null where it stays */
async function rewrapRow(
  vault: Vault,
  facts: Facts,
  table: EnvelopeTable,
  id: string,
  from: ReadonlyMap<string, WrappingKey>,
  to: WrappingKey,
): Promise<WrappingKey | null> {
  const { row, tampered } = await facts.examine(table, id);
  const old = from.get(row?.vault_key_id ?? '');
  if (row === undefined || tampered || old === undefined || row.envelope === null || old.id === to.id) return null;
  const place = placeOfEnvelope(vault, table, row);
  try {
    const envelope = rewrapEnvelope(old, to, row.envelope, place);
    await facts.update(table, row as never, { vault_key_id: to.id, envelope } as never);
    return old;
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return null;
  }
}

/** Where the envelope of a row belongs. */
export function placeOfEnvelope(vault: Vault, table: EnvelopeTable, row: EnvelopeRow): Place {
  const { field, of } = CONTENT[table];
  const [id, version] = of(row as never);
  return placeIn(vault, field, row, id, version);
}

/** The same one layer up: keys of environments under an old root key. When none is left, the old root key goes. */
async function rewrapKeys(vault: Vault, stopped: () => boolean): Promise<number> {
  let count = 0;
  // A key that can't be re-wrapped keeps none of the others back.
  for (let after = ''; ; ) {
    const { unsealed } = vault.keyring;
    if (stopped() || unsealed === null || unsealed.previousRoot === null) return count;
    const { root, previousRoot } = unsealed;
    const ids = await findStaleKeys(vault.reader, root.version, after, BATCH);
    const last = ids.at(-1);
    if (last === undefined) break;
    after = last;
    const draft = {
      actor: 'system',
      action: 'vault-key.rewrapped',
      subject: 'root-key',
      code: 'vault-keys',
      locks: ids,
    };
    const recorded = await vault.ledger.record(draft, async (facts) => {
      let done = 0;
      for (const id of ids) {
        const { row, tampered } = await facts.examine('vault_keys', id);
        if (row !== undefined && !tampered && (await rewrapKey(vault, facts, row, previousRoot, root))) done++;
      }
      return done;
    });
    if (isRefusal(recorded)) return count;
    count += recorded.value;
  }
  // It keeps the old root key alive, though: forgetting that would lose the key.
  await vault.sealTurns.take(() => forgetOldRoot(vault));
  return count;
}

async function rewrapKey(
  vault: Vault,
  facts: Facts,
  row: VaultKeyRow,
  from: WrappingKey,
  to: WrappingKey,
): Promise<boolean> {
  const place = placeIn(vault, 'environment-key', row, row.id, row.version);
  try {
    const bytes = unwrapKey(from, Buffer.from(row.wrapped, 'hex'), place);
    const wrapped = wrapKey(to, bytes, place).toString('hex');
    bytes.fill(0);
    await facts.update('vault_keys', row, { wrapped, root_version: to.version });
    return true;
  } catch (error) {
    if (!(error instanceof EnvelopeBroken)) throw error;
    vault.broken(place, error.message);
    return false;
  }
}

async function forgetOldRoot(vault: Vault): Promise<void> {
  const current = await currentRoot(vault);
  if (isRefusal(current)) return;
  const { seal, unsealed } = current;
  const draft = {
    actor: 'system',
    action: 'root-key.retired',
    subject: seal.id,
    code: `keys-under-old-root-0`,
    locks: [seal.id],
  };
  const recorded = await vault.ledger.record(draft, async (facts) => {
    const row = await facts.find('seals', seal.id);
    if ((await countStaleKeys(facts.db, unsealed.root.version)) > 0) return refuse('ATTEMPT_OVER', 'A key was added.');
    if (row?.root_key !== seal.root_key) return refuse('ATTEMPT_OVER', 'The seal was changed meanwhile; look again.');
    return await facts.update('seals', row, { previous_root_key: null });
  });
  if (!isRefusal(recorded)) vault.keyring.replace(unsealed, { ...unsealed, previousRoot: null });
}
