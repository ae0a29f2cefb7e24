import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Quota, RateLimit } from '@keyhold/protocol/feed';
import type { Key } from '@keyhold/protocol/operations/keys';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import { attributionWith, type Caller, type ChangeContext, namesSet } from '../access/change-context.ts';
import type { Kysely } from 'kysely';
import type { Database, KeyRow } from '../database/schema.ts';
import { showRules } from '../projects/project.ts';
import { findRules } from '../projects/projects.store.ts';
import { checkMetadata, checkRateLimits } from '../projects/settings.ts';
import { type Around, addsToKey, loosensKey, widensKey } from './critical.ts';
import { stateAt } from './key.ts';
import { givenTo, keyEntry } from './key-entry.ts';
import { areNetworksWithin, checkRules, isCovered, isOpen, takesNetworks } from './key-rules.ts';
import { checkNetworks, checkPeriod, readTime } from './key-settings.ts';
import { findAddressBook, type PlacedKey } from './keys.store.ts';
import { viewKey } from './view-key.ts';
import { writeAddressBook } from './write-address-book.ts';

export interface KeyPatch {
  readonly name?: string;
  readonly permissions?: readonly string[];
  readonly allowedNetworks?: readonly string[];
  readonly addressBook?: readonly string[];
  readonly rateLimits?: readonly RateLimit[];
  readonly quota?: Quota | null;
  readonly startsAt?: string | null;
  readonly expiresAt?: string | null;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

/** What a change gives: what widens is confirmed, and what loosens waits for approvals where a policy wants them. */
export interface Gives {
  readonly widens: boolean;
  readonly loosens: boolean;
}

/**
 * Changes settings of a key. What narrows is a taking-away and waits for the barrier.
 * @param gave what it gave when whoever asks was asked to confirm it
 */
export async function updateKey(
  { ledger, propagation, clock, random }: ChangeContext,
  caller: Caller,
  placed: PlacedKey,
  patch: KeyPatch,
  gave: Gives,
): Promise<{ key: Key; barrier?: Barrier; sequence: number } | Refusal> {
  const wrong =
    checkNetworks(patch.allowedNetworks) ?? checkRateLimits(patch.rateLimits) ?? checkMetadata(patch.metadata);
  if (wrong !== null) return wrong;
  const by = attributionWith(caller, givenTo(patch));
  const draft = { ...keyEntry(caller, placed, 'key.changed', by), code: namesSet(patch) };
  const recorded = await ledger.record(draft, async (facts) => {
    const key = await facts.find('keys', placed.id);
    if (key === undefined) return refuse('KEY_NOT_FOUND', `There is no key ${placed.id}.`, 'id');
    const now = clock.wall();
    const state = stateAt(key, now);
    if (state === 'deactivated' || state === 'compromised' || state === 'destroyed') {
      return refuse('ILLEGAL_TRANSITION', `The key is ${state}; its settings are settled.`);
    }
    const around = await findAround(facts.db, key, patch);
    const gives = givesOf(key, around, patch);
    if ((gives.widens && !gave.widens) || (gives.loosens && !gave.loosens)) {
      return refuse('CONFIRMATION_REQUIRED', 'The key was narrowed a moment ago: confirm what widens it again.');
    }
    const columns = columnsOf(patch, key, now);
    if (isRefusal(columns)) return columns;
    const changed = await facts.update('keys', key, columns);
    const takes = patch.addressBook !== undefined && (await writeAddressBook(facts, random, key, patch.addressBook));
    const place = { project: placed.project_slug, environment: placed.environment_name };
    const shown = await viewKey(facts.db, changed, place, now);
    // What is given is judged as a whole: a rule that came later is met with the first change that gives anything. What
    // only takes away is never refused for it: verifiers hold the key to the rule all the same.
    const rules = showRules(await findRules(facts.db, key.environment_id));
    const unmet = adds(key, around, patch) ? checkRules(rules, shown) : null;
    if (unmet !== null) return unmet;
    // The days that a key has without networks begin with it.
    const sooner = (changed.starts_at ?? 0) < (key.starts_at ?? 0);
    const opens = isOpen(shown.allowedNetworks) && (sooner || !isOpen(JSON.parse(key.allowed_networks)));
    return {
      key: shown,
      narrows: takes || (takesNetworks(rules) && opens) || narrows(key, changed) || mayRepeat(patch, key, changed),
    };
  });
  if (isRefusal(recorded)) return recorded;
  const { sequence, value } = recorded;
  const { key, narrows: taking } = value;
  if (taking) return { key, sequence, barrier: await propagation.taken(sequence, new Set([placed.environment_id])) };
  await propagation.given(sequence);
  return { key, sequence };
}

/** What a change would give to a key as it is now. */
export async function givesNow(db: Kysely<Database>, key: KeyRow, patch: KeyPatch): Promise<Gives> {
  return givesOf(key, await findAround(db, key, patch), patch);
}

async function findAround(db: Kysely<Database>, key: KeyRow, { addressBook }: KeyPatch): Promise<Around> {
  const book = addressBook === undefined ? undefined : await findAddressBook(db, key.id);
  return {
    addresses: JSON.parse(book?.addresses ?? '[]') as string[],
    takesNetworks: takesNetworks(showRules(await findRules(db, key.environment_id))),
  };
}

function givesOf(key: KeyRow, around: Around, patch: KeyPatch): Gives {
  return { widens: widensKey(key, around, patch), loosens: loosensKey(key, around, patch) };
}

/**
 * Whether rules have a say: a key that was used from anywhere is but nearer to them once it is kept to networks, and what
 * lies within what it had is nothing new to it.
 */
function adds(key: KeyRow, { addresses }: Around, patch: KeyPatch): boolean {
  const { allowedNetworks, permissions, ...rest } = patch;
  const [networks, held] = [JSON.parse(key.allowed_networks), JSON.parse(key.permissions)] as [string[], string[]];
  const isKept = isOpen(networks) && !isOpen(allowedNetworks ?? []);
  const takes = isKept || allowedNetworks === undefined || areNetworksWithin(allowedNetworks, networks);
  const more = permissions?.filter((permission) => !isCovered(permission, held)) ?? [];
  return addsToKey(key, addresses, { ...rest, permissions: more, ...(takes ? {} : { allowedNetworks }) });
}

type Columns = { -readonly [C in keyof KeyRow]?: KeyRow[C] };

function columnsOf(patch: KeyPatch, key: KeyRow, nowMs: number): Columns | Refusal {
  const startsAt = patch.startsAt === undefined ? key.starts_at : readTime(patch.startsAt, '/startsAt');
  const expiresAt = patch.expiresAt === undefined ? key.expires_at : readTime(patch.expiresAt, '/expiresAt');
  if (isRefusal(startsAt)) return startsAt;
  if (isRefusal(expiresAt)) return expiresAt;
  const wrong = checkPeriod(startsAt, expiresAt, nowMs);
  if (wrong !== null) return wrong;
  const columns: Columns = { starts_at: startsAt, expires_at: expiresAt };
  if (patch.name !== undefined) columns.name = patch.name;
  if (patch.permissions !== undefined) columns.permissions = JSON.stringify(patch.permissions);
  if (patch.allowedNetworks !== undefined) columns.allowed_networks = JSON.stringify(patch.allowedNetworks);
  if (patch.rateLimits !== undefined) columns.rate_limits = JSON.stringify(patch.rateLimits);
  if (patch.quota !== undefined) columns.quota = patch.quota === null ? null : JSON.stringify(patch.quota);
  if (patch.metadata !== undefined) columns.metadata = patch.metadata === null ? null : JSON.stringify(patch.metadata);
  return columns;
}

/** A setting that was given and didn't change may be a narrowing repeated: it waits for the entry that did it. */
function mayRepeat(patch: KeyPatch, before: KeyRow, after: KeyRow): boolean {
  return (
    before === after ||
    (patch.permissions !== undefined && before.permissions === after.permissions) ||
    (patch.allowedNetworks !== undefined && before.allowed_networks === after.allowed_networks) ||
    (patch.startsAt !== undefined && before.starts_at === after.starts_at) ||
    (patch.expiresAt !== undefined && before.expires_at === after.expires_at)
  );
}

/** True when a request that was valid may not be any more. In doubt it is: waiting costs little. */
function narrows(before: KeyRow, after: KeyRow): boolean {
  return (
    drops(before.permissions, after.permissions) ||
    (before.allowed_networks === '[]' && after.allowed_networks !== '[]') ||
    (after.allowed_networks !== '[]' && drops(before.allowed_networks, after.allowed_networks)) ||
    (after.expires_at ?? Number.POSITIVE_INFINITY) < (before.expires_at ?? Number.POSITIVE_INFINITY) ||
    (after.starts_at ?? 0) > (before.starts_at ?? 0)
  );
}

function drops(before: string, after: string): boolean {
  const kept = new Set(JSON.parse(after) as string[]);
  return (JSON.parse(before) as string[]).some((item) => !kept.has(item));
}
