import { hash } from 'node:crypto';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { toBase32 } from '@keyhold/protocol/totp';
import type { PersonPasswordRow, PersonRow } from '../../database/people-rows.ts';
import type { Random } from '../../random.ts';

/** Shorter ones are guessed from a stolen hash; how they are made up is everybody's own (SP 800-63B-4 §3.1.1.2). */
const MIN_LENGTH = 12;
const MIN_DIFFERENT = 5;

/** The same name, however it is typed. */
export function loginOf(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/** Why nobody should have such a password, or null. */
export function passwordProblem(password: string, login: string): Refusal | null {
  const letters = [...password.normalize('NFC')];
  const wrong = (detail: string) => refuse('INVALID_INPUT', detail, '/password');
  if (letters.length < MIN_LENGTH) return wrong(`A password has ${MIN_LENGTH} characters or more: take a few words.`);
  if (new Set(letters).size < MIN_DIFFERENT) return wrong('These are the same few characters over and over.');
  const text = password.toLowerCase();
  if (text.includes(login) || text.includes('keyhold') || text.includes('password'))
    return wrong('It has in it what is tried first: your name, that of this place, or what it is.');
  return null;
}

const RECOVERY_CODES = 10;
/** 80 bits: nobody tries them all, so that their digest needs no salt and no slow hash. */
const RECOVERY_BYTES = 10;

/** Codes that each take the place of an app's once: 16 letters and digits in four groups. */
export function newRecoveryCodes(random: Random): { readonly codes: readonly string[]; readonly recovery: string } {
  const codes = Array.from({ length: RECOVERY_CODES }, () => {
    const text = toBase32(random.bytes(RECOVERY_BYTES)).toLowerCase();
    return (text.match(/.{4}/g) ?? []).join('-');
  });
  return { codes, recovery: JSON.stringify(codes.map(recoveryDigest)) };
}

/** SHA-256 of a recovery code, however it is typed. */
export function recoveryDigest(code: string): string {
  return hash('sha256', code.replace(/[\s-]/g, '').toUpperCase(), 'hex');
}

export function recoveryOf({ recovery }: Pick<PersonPasswordRow, 'recovery'>): readonly string[] {
  return JSON.parse(recovery) as string[];
}

/** Whether somebody signs in with it now: it is his, and not of before he enrolled anew. */
export function isOfNow(
  row: Pick<PersonPasswordRow, 'state' | 'person_id' | 'created_at'>,
  { id, passkeys_after: since }: Pick<PersonRow, 'id' | 'passkeys_after'>,
): boolean {
  return row.state === 'active' && row.person_id === id && row.created_at >= since;
}

/** What becomes of one that is over: nothing of it is kept. */
export const GONE: Partial<PersonPasswordRow> = {
  ...{ state: 'removed', login: null, hash: null, vault_key_id: null, envelope: null, recovery: '[]' },
};
