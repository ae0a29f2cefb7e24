import { EnvelopeBroken, keyFrom, openEnvelope } from '@keyhold/verifier/open-envelope';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { FactTables, PeriodKeyRow, PersonalKeyRow } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { sealEnvelope } from '../vault/envelope.ts';
import type { Unsealed } from '../vault/keyring.ts';
import { keyById, keyToEncrypt } from '../vault/open-vault-key.ts';
import { type PersonalKey, personalKey } from '../vault/personal-cipher.ts';
import type { SealedField } from '@keyhold/protocol/sealed-field';
import { type InEnvironment, placeIn, SEALED, type Vault } from '../vault/vault.ts';
import { newKeyBytes } from '../vault/wrapped-key.ts';
import { findPersonalKey } from './personal.store.ts';

/** Keys that may be in memory at once; the one used longest ago goes. */
const MAX_LOADED = 10_000;

/** The month that something happened in, UTC: `2026-11`. */
export function periodOf(atMs: number): string {
  const at = new Date(atMs);
  return `${at.getUTCFullYear()}-${String(at.getUTCMonth() + 1).padStart(2, '0')}`;
}

/** The keys of subjects, each for a month: found, made where there is none, and forgotten when sealed. */
export class PersonalKeys {
  readonly #vault: Vault;
  readonly #place: InEnvironment;
  /** INVARIANT: gone with what unsealed them. */
  readonly #loaded = new WeakMap<Unsealed, Map<string, PersonalKey>>();
  /** Ids of keys that were destroyed since the start. */
  readonly #gone = new Set<string>();
  readonly #making = new Map<string, Promise<PersonalKey | Refusal>>();

  constructor(vault: Vault, place: InEnvironment) {
    this.#vault = vault;
    this.#place = place;
  }

  /** The key of a subject and month, where it is in memory. */
  ready(subject: string, period: string): PersonalKey | undefined {
    return this.#take(`${subject} ${period}`);
  }

  /** The same, read or made. */
  obtain(subject: string, period: string): Promise<PersonalKey | Refusal> {
    const name = `${subject} ${period}`;
    const known = this.#take(name);
    if (known !== undefined) return Promise.resolve(known);
    const work = this.#making.get(name) ?? this.#obtain(subject, period).finally(() => this.#making.delete(name));
    this.#making.set(name, work);
    return work;
  }

  /** A key by its id; undefined where it was erased. */
  async byId(id: string): Promise<PersonalKey | Refusal | undefined> {
    const known = this.#take(id);
    if (known !== undefined) return known;
    if (this.#vault.keyring.sealed) return SEALED;
    const row = await this.#row('personal_keys', id);
    return row === undefined || isRefusal(row) ? row : await this.#open(row);
  }

  /** What a period key decrypts with. */
  async identity(id: string): Promise<string | Refusal | undefined> {
    if (this.#vault.keyring.sealed) return SEALED;
    const row = await this.#row('period_keys', id);
    if (row === undefined || isRefusal(row)) return row;
    const bytes = await this.#unwrap('period.key', row);
    if (isRefusal(bytes)) return bytes;
    const identity = bytes.toString('utf8');
    bytes.fill(0);
    return identity;
  }

  /** Who to encrypt to while sealed: that needs no key. */
  async recipient(id: string): Promise<string | Refusal | undefined> {
    const row = await this.#row('period_keys', id);
    return row === undefined || isRefusal(row) ? row : row.recipient;
  }

  /** Keeps a fresh period key, unless somebody was before. */
  async keepPeriod(period: string, recipient: string, identity: string): Promise<Refusal | null> {
    const sealed = await this.#sealed('period.key', 'periodKey', Buffer.from(identity));
    if (isRefusal(sealed)) return sealed;
    const draft = { actor: 'system', action: 'period-key.created', subject: sealed.id, code: period };
    const recorded = await this.#vault.ledger.record(draft, async (facts) => {
      const there = await facts.db.selectFrom('period_keys').select('id').where('period', '=', period).execute();
      return there.length > 0 ? null : await facts.insert('period_keys', { ...sealed, period, recipient });
    });
    return isRefusal(recorded) ? recorded : null;
  }

  /** Forgets the keys of a subject that are gone. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#gone.add(id);
    const { unsealed } = this.#vault.keyring;
    const loaded = unsealed === null ? undefined : this.#loaded.get(unsealed);
    for (const [name, { id }] of loaded ?? []) if (ids.includes(id)) loaded?.delete(name);
  }

  async #obtain(subject: string, period: string): Promise<PersonalKey | Refusal> {
    const { keyring, reader } = this.#vault;
    if (keyring.sealed) return SEALED;
    const id = (await findPersonalKey(reader, subject, period)) ?? (await this.#make(subject, period));
    if (isRefusal(id)) return id;
    const key = await this.byId(id);
    if (key === undefined) return refuse('ATTEMPT_OVER', 'It was erased meanwhile; try again.');
    if (!isRefusal(key)) this.#keep(`${subject} ${period}`, key);
    return key;
  }

  async #make(subject: string, period: string): Promise<string | Refusal> {
    const bytes = newKeyBytes();
    const sealed = await this.#sealed('personal.key', 'personalKey', bytes);
    if (isRefusal(sealed)) return sealed;
    const draft = { actor: 'system', action: 'personal-key.created', subject: sealed.id, code: period };
    const recorded = await this.#vault.ledger.record(draft, async (facts) => {
      const there = await findPersonalKey(facts.db, subject, period);
      if (there === undefined) await facts.insert('personal_keys', { ...sealed, subject, period });
      return there ?? sealed.id;
    });
    return isRefusal(recorded) ? recorded : recorded.value;
  }

  /** Takes the bytes over: they are wiped. */
  async #sealed(field: SealedField, kind: 'personalKey' | 'periodKey', bytes: Buffer) {
    const { random, clock } = this.#vault;
    const under = await keyToEncrypt(this.#vault, this.#place, 'personal');
    if (isRefusal(under)) return under;
    const id = random.newId(kind);
    const { project_id, environment_id } = this.#place;
    const envelope = sealEnvelope(under, bytes, placeIn(this.#vault, field, this.#place, id, 1));
    bytes.fill(0);
    return { id, project_id, environment_id, vault_key_id: under.id, envelope, created_at: clock.wall() };
  }

  async #open(row: PersonalKeyRow): Promise<PersonalKey | Refusal> {
    const bytes = await this.#unwrap('personal.key', row);
    if (isRefusal(bytes)) return bytes;
    const key = personalKey(row.id, keyFrom(bytes));
    this.#keep(row.id, key);
    return key;
  }

  async #row<T extends 'personal_keys' | 'period_keys'>(
    table: T,
    id: string,
  ): Promise<FactTables[T] | Refusal | undefined> {
    const [checked] = await readCheckedRows(this.#vault.reader, [table], [id]);
    if (checked === undefined) return undefined;
    if (!('tampered' in checked)) return checked.row as FactTables[T];
    this.#vault.tampered(id);
    return refuse('ROW_TAMPERED', `The key ${id} was tampered with.`);
  }

  async #unwrap(field: SealedField, row: PersonalKeyRow | PeriodKeyRow): Promise<Buffer | Refusal> {
    const under = await keyById(this.#vault, row.vault_key_id);
    if (isRefusal(under)) return under;
    const place = placeIn(this.#vault, field, row, row.id, 1);
    try {
      return openEnvelope(under, row.envelope, place);
    } catch (error) {
      if (!(error instanceof EnvelopeBroken)) throw error;
      this.#vault.broken(place, error.message);
      return refuse('ENVELOPE_BROKEN', `The key ${row.id} does not open where it lies.`);
    }
  }

  #take(name: string): PersonalKey | undefined {
    const { unsealed } = this.#vault.keyring;
    const loaded = unsealed === null ? undefined : this.#loaded.get(unsealed);
    const key = loaded?.get(name);
    if (key === undefined || loaded === undefined) return undefined;
    loaded.delete(name);
    loaded.set(name, key);
    return key;
  }

  #keep(name: string, key: PersonalKey): void {
    const { unsealed } = this.#vault.keyring;
    // INVARIANT: who read a key before it was destroyed does not bring it back.
    if (unsealed === null || this.#gone.has(key.id)) return;
    const loaded = this.#loaded.get(unsealed) ?? new Map<string, PersonalKey>();
    this.#loaded.set(unsealed, loaded);
    loaded.set(name, key);
    if (loaded.size > MAX_LOADED) loaded.delete(loaded.keys().next().value as string);
  }
}
