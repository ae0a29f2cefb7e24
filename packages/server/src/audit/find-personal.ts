import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { personalToken } from '../vault/personal-cipher.ts';
import { SEALED, type Vault } from '../vault/vault.ts';
import { findByTokens, listPersonalKeys } from './personal.store.ts';
import { periodOf } from './personal-keys.ts';
import type { PersonalParts } from './personal-parts.ts';

/** Keys that are tried, and entries that are found, at most. */
const MAX_KEYS = 2_000;
const MAX_FOUND = 5_000;

export interface PersonalSearch {
  /** The whole value. */
  readonly value: string;
  /** Whose data it is; undefined: anybody's. */
  readonly about: string | undefined;
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
}

/**
 * Sequences of entries whose personal parts have a value: looked for by what each subject's key makes of it, so that
 * the index tells nothing without the keys, and nothing at all once they are erased.
 */
export async function findPersonal(
  { vault, personal }: { vault: Vault; personal: PersonalParts },
  { value, about, sinceMs, untilMs }: PersonalSearch,
): Promise<number[] | Refusal> {
  if (vault.keyring.sealed) return SEALED;
  const since = periodOf(sinceMs ?? 0);
  // Without an end there is none: a clock may have been ahead.
  const until = untilMs === undefined ? undefined : periodOf(untilMs);
  const ids = await listPersonalKeys(vault.reader, { subject: about, since, until, limit: MAX_KEYS + 1 });
  if (ids.length > MAX_KEYS) {
    return refuse('INVALID_INPUT', `More than ${MAX_KEYS} subjects: say about whom, or narrow the time.`, 'personal');
  }
  const tokens: string[] = [];
  for (const id of ids) {
    const key = await personal.keys.byId(id);
    // Who asks about one has to know that it can't be told; about all, the alarm tells of the one.
    if (about !== undefined && key !== undefined && isRefusal(key)) return key;
    if (key !== undefined && !isRefusal(key)) tokens.push(personalToken(key, value));
  }
  const found = await findByTokens(vault.reader, tokens, MAX_FOUND + 1);
  if (found.length <= MAX_FOUND) return found;
  return refuse('INVALID_INPUT', `More than ${MAX_FOUND} entries: narrow the time.`, 'personal');
}
