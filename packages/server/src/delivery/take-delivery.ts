import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { attribution, type Caller } from '../access/change-context.ts';
import type { DeliveryRow } from '../database/schema.ts';
import type { EntryDraft, Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { keyById } from '../vault/open-vault-key.ts';
import type { Secret } from '../vault/secret.ts';
import { SEALED, type Vault } from '../vault/vault.ts';
import { findDelivery } from './deliveries.store.ts';
import { onceDigest, subjectOf } from './delivery.ts';
import { openDelivery } from './open-delivery.ts';

export interface Taken {
  readonly subject: string;
  readonly createdAt: number;
  readonly content: Secret;
  /** Of the entry that it is taken. */
  readonly sequence: number;
}

export const GONE = refuse('DELIVERY_GONE', 'It was taken already, its time is over, or it never was.');

/**
 * Takes a delivery: the entry that it is taken commits first, and takes the envelope out of the row; only then is it
 * opened. Of any number that come at once exactly one gets it, and the others raise an alarm.
 * @param caller where he has a token of his own too: then it is known who was shown it
 */
export async function takeDelivery(vault: Vault, token: string, ip: string, caller?: Caller): Promise<Taken | Refusal> {
  if (vault.keyring.sealed) return SEALED;
  const known = await findDelivery(vault.reader, onceDigest(token));
  if (known === undefined) return GONE;
  // Before it is taken: what can't be opened now stays for later.
  const key = known.envelope === null ? null : await keyById(vault, known.vault_key_id);
  if (key !== null && isRefusal(key)) return key;
  const taken = await enterTaken(vault, known, ip, caller);
  if (!isRefusal(taken)) return await openTaken(vault, taken);
  return taken.refused === 'DELIVERY_GONE' ? await enterRefused(vault, known, ip, caller) : taken;
}

/** The row as it was before it was taken; refused, and nothing entered, where it does not wait any more. */
async function enterTaken(
  vault: Vault,
  known: DeliveryRow,
  ip: string,
  caller: Caller | undefined,
): Promise<Recorded<DeliveryRow> | Refusal> {
  const draft = entryOf(known, 'delivery.taken', ip, caller);
  return await vault.ledger.record(draft, (facts) => takeRow(vault, facts, known.id));
}

/** The same within a change. */
export async function takeRow({ clock }: Vault, facts: Facts, id: string): Promise<DeliveryRow | Refusal> {
  const now = clock.wall();
  const row = await facts.find('deliveries', id);
  if (row === undefined || row.envelope === null || now >= row.expires_at) return GONE;
  await facts.update('deliveries', row, { envelope: null, taken_at: now });
  return row;
}

/**
 * That somebody came in vain is an entry, for what was taken before an alarm too; one a minute and delivery, however
 * many come: whoever holds a link that is burnt would otherwise write the ledger as he likes (DESIGN §5, "Entries").
 */
export async function enterRefused(vault: Vault, known: DeliveryRow, ip: string, caller?: Caller): Promise<Refusal> {
  if (!isFirstOfMinute(vault, known.id)) return GONE;
  const draft = { ...entryOf(known, 'delivery.refused', ip, caller), evenWithoutChange: true as const };
  const recorded = await vault.ledger.record(draft, async (facts) => {
    const row = await facts.find('deliveries', known.id);
    return row === undefined ? GONE : row.taken_at !== null;
  });
  if (isRefusal(recorded)) return recorded;
  if (recorded.value) vault.takenTwice(known.id);
  return GONE;
}

const MAX_REFUSED = 10_000;
/** Minutes in which a refusal was entered, by delivery. */
const refusedIn = new WeakMap<Vault, Map<string, number>>();

function isFirstOfMinute(vault: Vault, id: string): boolean {
  const minutes = refusedIn.get(vault) ?? new Map<string, number>();
  refusedIn.set(vault, minutes);
  const minute = Math.floor(vault.clock.wall() / 60_000);
  if (minutes.get(id) === minute) return false;
  if (minutes.size >= MAX_REFUSED) minutes.clear();
  minutes.set(id, minute);
  return true;
}

function entryOf(known: DeliveryRow, action: string, ip: string, caller: Caller | undefined): EntryDraft {
  // Whoever has nothing but the link is nobody we know: it is erased with the environment's.
  const stranger = { actor: known.id, side: { ip }, about: known.environment_id };
  const { id, project_id: project, environment_id: environment } = known;
  const by = caller === undefined ? stranger : attribution(caller);
  return { ...by, action, subject: subjectOf(known), project, environment, locks: [id] };
}

async function openTaken(vault: Vault, { value: row, sequence }: Recorded<DeliveryRow>): Promise<Taken | Refusal> {
  const content = await openDelivery(vault, row);
  return isRefusal(content) ? content : { subject: subjectOf(row), createdAt: row.created_at, content, sequence };
}
