import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { boundsOf, type EntryFilter, type KeptEntry, listEntries } from '../ledger/entries.store.ts';
import {
  type FoundEntries,
  narrow,
  narrowFarEnd,
  nextPart,
  SEARCH,
  type SearchSizes,
} from '../ledger/entry-search.store.ts';
import { personalToken } from '../vault/personal-cipher.ts';
import { SEALED, type Vault } from '../vault/vault.ts';
import { findByTokens, listKeysOfSides, listPersonalKeys } from './personal.store.ts';
import { periodOf } from './personal-keys.ts';
import type { PersonalParts } from './personal-parts.ts';

const KEYS_PER_TURN = 50;

interface PersonalSizes extends SearchSizes {
  /** Keys that are tried for all of a time at once; of more, those that the next entries lie under. */
  readonly keys: number;
  /** Entries that are found in one read. */
  readonly found: number;
}

export const PERSONAL_SEARCH: PersonalSizes = { ...SEARCH, keys: 2_000, found: 500 };

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
  sizes = PERSONAL_SEARCH,
): Promise<FoundEntries | Refusal> {
  const { keyring, reader } = searching.vault;
  if (keyring.sealed) return SEALED;
  const { order, limit } = filter;
  const rows: KeptEntry[] = [];
  let left = await narrow(reader, filter);
  const all = left === null ? [] : await keysOfTime(searching.vault, search, filter, sizes.keys);
  for (let looked = 1; left !== null; looked++) {
    const { part, last } = all === null ? await nextPart(reader, left, sizes.atOnce) : { part: left, last: null };
    const { from = left.from, to = left.to } = boundsOf(part);
    const tokens = await tokensOf(searching, search, all ?? (await listKeysOfSides(reader, from, to)));
    if (isRefusal(tokens)) return tokens;
    const sequences = await findByTokens(reader, tokens, { from, to, order, limit: sizes.found });
    if (sequences.length > 0)
      rows.push(...(await listEntries(reader, { ...left, sequences, limit: limit - rows.length })));
    const end = sequences.length === sizes.found ? sequences.at(-1) : last;
    if (end == null || rows.length >= limit) break;
    if (looked === sizes.parts) return { rows, through: end };
    await new Promise(setImmediate);
    left = { ...left, beyond: end };
    if (looked === 1) left = await narrowFarEnd(reader, left, sizes.farRounds);
  }
  return { rows, through: null };
}

/** All keys that there are of the months asked for, where they are few enough; else null. */
async function keysOfTime(
  { reader }: Vault,
  { about }: PersonalSearch,
  { sinceMs, untilMs }: EntryFilter,
  most: number,
): Promise<string[] | null> {
  const since = periodOf(sinceMs ?? 0);
  // Without an end there is none: a clock may have been ahead.
  const until = untilMs === undefined ? undefined : periodOf(untilMs);
  const ids = await listPersonalKeys(reader, { subject: about, since, until, limit: most + 1 });
  return about === undefined && ids.length > most ? null : ids;
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
