import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { boundsOf, type EntryFilter, type KeptEntry, listEntries } from '../ledger/entries.store.ts';
import { narrow, nextPart } from '../ledger/entry-search.store.ts';
import { personalToken } from '../vault/personal-cipher.ts';
import { SEALED, type Vault } from '../vault/vault.ts';
import { findByTokens, listKeysOfSides, listPersonalKeys } from './personal.store.ts';
import { periodOf } from './personal-keys.ts';
import type { PersonalParts } from './personal-parts.ts';

/** Keys that are tried for all of a time at once; of more, those that the next entries lie under. */
const MAX_KEYS = 2_000;
/** Entries that are looked at in one read. */
const FOUND_AT_ONCE = 500;
const KEYS_PER_TURN = 50;

interface Searching {
  readonly vault: Vault;
  readonly personal: PersonalParts;
}

export interface PersonalSearch {
  /** The whole value. */
  readonly value: string;
  /** Whose data it is; undefined: anybody's. */
  readonly about: string | undefined;
}

/**
 * Entries whose personal parts have a value: looked for by what each subject's key makes of it, so that the index tells
 * nothing without the keys, and nothing at all once they are erased.
 */
export async function findPersonal(
  searching: Searching,
  search: PersonalSearch,
  filter: EntryFilter,
): Promise<KeptEntry[] | Refusal> {
  const { keyring, reader } = searching.vault;
  if (keyring.sealed) return SEALED;
  const range = await narrow(reader, filter);
  if (range === null) return [];
  const all = await keysOfTime(searching.vault, search, filter);
  const { order, limit } = filter;
  const found: KeptEntry[] = [];
  for (let { beyond } = filter; ; ) {
    const left = { from: range.from, to: range.to, order, beyond };
    const { part, last } = all === null ? await nextPart(reader, left) : { part: left, last: null };
    const { from = range.from, to = range.to } = boundsOf(part);
    const tokens = await tokensOf(searching, search, all ?? (await listKeysOfSides(reader, from, to)));
    if (isRefusal(tokens)) return tokens;
    const sequences = await findByTokens(reader, tokens, { from, to, order, limit: FOUND_AT_ONCE });
    if (sequences.length > 0)
      found.push(...(await listEntries(reader, { ...range, beyond, sequences, limit: limit - found.length })));
    const end = sequences.length === FOUND_AT_ONCE ? sequences.at(-1) : last;
    if (end == null || found.length >= limit) return found;
    beyond = end;
    await new Promise(setImmediate);
  }
}

/** All keys that there are of the months asked for, where they are few enough; else null. */
async function keysOfTime(
  { reader }: Vault,
  { about }: PersonalSearch,
  { sinceMs, untilMs }: EntryFilter,
): Promise<string[] | null> {
  const since = periodOf(sinceMs ?? 0);
  // Without an end there is none: a clock may have been ahead.
  const until = untilMs === undefined ? undefined : periodOf(untilMs);
  const ids = await listPersonalKeys(reader, { subject: about, since, until, limit: MAX_KEYS + 1 });
  return about === undefined && ids.length > MAX_KEYS ? null : ids;
}

async function tokensOf(
  { personal }: Searching,
  { value, about }: PersonalSearch,
  ids: readonly string[],
): Promise<string[] | Refusal> {
  const tokens: string[] = [];
  for (const [i, id] of ids.entries()) {
    if (i % KEYS_PER_TURN === KEYS_PER_TURN - 1) await new Promise(setImmediate);
    const key = await personal.keys.byId(id);
    // Who asks about one has to know that it can't be told; about all, the alarm tells of the one.
    if (key === SEALED || (about !== undefined && key !== undefined && isRefusal(key))) return key;
    if (key !== undefined && !isRefusal(key)) tokens.push(personalToken(key, value));
  }
  return tokens;
}
