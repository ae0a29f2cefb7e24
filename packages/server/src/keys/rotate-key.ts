import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { MAX_STALE_MS } from '@keyhold/protocol/feed';
import type { Credential } from '@keyhold/protocol/operations/credentials';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import type { CredentialRow } from '../database/schema.ts';
import { findDeliveriesOf } from '../delivery/deliveries.store.ts';
import { endDeliveriesOf } from '../delivery/end-deliveries.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import type { Secret } from '../vault/secret.ts';
import { showCredential, stateAt } from './key.ts';
import { keyEntry } from './key-entry.ts';
import { insertCredential } from './insert-credential.ts';
import { findSignatureKeys, listCredentials, type PlacedKey } from './keys.store.ts';
import type { Prepared } from './prepare-delivered.ts';
import { loadUses } from './usage.store.ts';

export interface RotatedKey {
  /** The new one; or that which takes the place of the others, where one was there already. */
  readonly credential: Credential;
  readonly isNew: boolean;
  /** Null: a public key has none. */
  readonly secret: Secret | null;
  readonly passphrase: Secret | null;
  /** The credential that was the newest until now. */
  readonly previous: Credential | null;
}

/** A verifier's clock may be slow (DESIGN §5, "Assumed"), and its lease may have been granted just before. */
const TIMES_TO_LEARN = 2;

/**
 * With a longer overlap every verifier that decides at its end has learned of that end: it holds a lease granted after
 * it, or serves stale after one. A shorter one is a taking-away like none at all.
 */
function learnedAfterSeconds(placed: PlacedKey): number {
  const staleSeconds = placed.environment_after_lease === 'serve' ? MAX_STALE_MS / 1000 : 0;
  return TIMES_TO_LEARN * (placed.environment_lease_seconds + staleSeconds);
}

/** An entry names each credential that a rotation ends, and is bounded. */
const MAX_LIVING = 32;

/**
 * Adds a credential and gives the others an end. Without overlap they are deactivated, not just timed out: a
 * verifier's clock may lag, a state may not.
 * @param prepared the new one, or why there is none, which a repeated call does not hear
 * @param known only these end, and where another one goes on that lasts as long, none is added
 */
export async function rotateKey(
  context: ChangeContext,
  caller: Caller,
  placed: PlacedKey,
  overlapSeconds: number,
  prepared: Prepared | Refusal,
  known?: ReadonlySet<string>,
): Promise<(Recorded<RotatedKey> & { barrier?: Barrier }) | Refusal> {
  const { ledger, propagation, clock } = context;
  const now = clock.wall();
  const recorded = await ledger.record(keyEntry(caller, placed, 'key.rotated'), async (facts) => {
    if (isRefusal(prepared)) return prepared;
    const key = await facts.find('keys', placed.id);
    if (key === undefined) return refuse('KEY_NOT_FOUND', `There is no key ${placed.id}.`, 'id');
    const state = stateAt(key, now);
    if (state === 'deactivated' || state === 'compromised' || state === 'destroyed') {
      return refuse('ILLEGAL_TRANSITION', `The key is ${state}; issue a new one.`);
    }
    const living = await livingCredentials(facts, placed.id, now);
    const leaving = known === undefined ? living : living.filter(({ id }) => known.has(id));
    const staying = await lastingOf(facts, living, leaving, now);
    const goingOn = overlapSeconds === 0 ? living.length - leaving.length : living.length;
    if (goingOn >= MAX_LIVING && staying === undefined) {
      return refuse('ILLEGAL_TRANSITION', `The key has ${living.length} living credentials; end some of them first.`);
    }
    const ended = await endOthers(facts, leaving, overlapSeconds, now);
    const previous = ended === null ? null : await show(facts, ended, now);
    const endLinks = async () => overlapSeconds === 0 && (await endLinksOfEnded(facts, placed.id));
    if (staying !== undefined) {
      const credential = await show(facts, staying, now);
      return { credential, isNew: false, secret: null, passphrase: null, previous, left: await endLinks() };
    }
    const credential = await insertCredential(facts, placed.id, prepared.credential, prepared.way, now);
    if (isRefusal(credential)) return credential;
    const { secret, passphrase } = prepared.credential;
    return { credential, isNew: true, secret, passphrase, previous, left: await endLinks() };
  });
  if (isRefusal(recorded)) return recorded;
  for (let { left } = recorded.value; left; ) {
    // Links that its entry had no room for.
    const draft = keyEntry({ ...caller, idempotency: undefined }, placed, 'delivery.ended');
    const more = await ledger.record(draft, (facts) => endLinksOfEnded(facts, placed.id));
    if (isRefusal(more)) return more;
    left = more.value;
  }
  if (overlapSeconds > learnedAfterSeconds(placed)) {
    await propagation.given(recorded.sequence);
    return recorded;
  }
  return { ...recorded, barrier: await propagation.taken(recorded.sequence, new Set([placed.environment_id])) };
}

async function show(facts: Facts, credential: CredentialRow, nowMs: number): Promise<Credential> {
  const uses = await loadUses(facts.db, [credential.id]);
  const signatureKeys = await findSignatureKeys(facts.db, [credential]);
  return showCredential(credential, uses.get(credential.id), nowMs, signatureKeys.get(credential.id));
}

/** Newest first. */
async function livingCredentials(facts: Facts, keyId: string, nowMs: number): Promise<CredentialRow[]> {
  const living: CredentialRow[] = [];
  for (const listed of await listCredentials(facts.db, [keyId])) {
    // Checked first: one that somebody made look dead is still alive in every replica.
    const credential = await facts.find('credentials', listed.id);
    if (credential === undefined || credential.state !== 'active') continue;
    if (stateAt(credential, nowMs) !== 'deactivated') living.push(credential);
  }
  return living;
}

/** The newest of the others that ends no sooner than these would have, and that somebody has or can have yet. */
async function lastingOf(
  facts: Facts,
  living: readonly CredentialRow[],
  leaving: readonly CredentialRow[],
  nowMs: number,
): Promise<CredentialRow | undefined> {
  const endOf = ({ expires_at }: CredentialRow) => expires_at ?? Number.POSITIVE_INFINITY;
  const last = Math.max(...leaving.map(endOf));
  for (const one of living) {
    if (leaving.includes(one) || endOf(one) < last) continue;
    if (!(await isNobodys(facts, one.id, nowMs))) return one;
  }
  return undefined;
}

/** Whether it left by links alone, all of them over before anybody took what they gave. In doubt it is: one more harms less. */
async function isNobodys(facts: Facts, credentialId: string, nowMs: number): Promise<boolean> {
  const ids = await findDeliveriesOf(facts.db, credentialId);
  for (const id of ids) {
    const { row, tampered } = await facts.examine('deliveries', id);
    if (row === undefined || tampered) continue;
    if (row.taken_at !== null || (row.envelope !== null && nowMs < row.expires_at)) return false;
  }
  return ids.length > 0;
}

/** Ends these credentials; answers with the newest of them. */
async function endOthers(
  facts: Facts,
  living: readonly CredentialRow[],
  overlapSeconds: number,
  nowMs: number,
): Promise<CredentialRow | null> {
  const end = nowMs + overlapSeconds * 1000;
  let newest: CredentialRow | null = null;
  for (const credential of living) {
    const ended = await facts.update(
      'credentials',
      credential,
      overlapSeconds === 0
        ? { state: 'deactivated', reason: 'superseded' }
        : { expires_at: Math.min(credential.expires_at ?? end, end) },
    );
    newest ??= ended;
  }
  return newest;
}

/**
 * Ends links that wait to give what the key has that is dead: they would open nothing.
 * @returns whether more are left
 */
async function endLinksOfEnded(facts: Facts, keyId: string): Promise<boolean> {
  const listed = await listCredentials(facts.db, [keyId]);
  // All, not those of one rotation: another may have died before it came to the last.
  const dead = listed.filter(({ state }) => state !== 'active' && state !== 'suspended');
  return await endDeliveriesOf(
    facts,
    dead.map(({ id }) => id),
  );
}
