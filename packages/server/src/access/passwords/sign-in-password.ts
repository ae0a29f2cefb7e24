import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { TOTP_CODE } from '@keyhold/protocol/totp';
import type { PersonPasswordRow } from '../../database/people-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { SEALED } from '../../vault/vault.ts';
import { makeSession } from '../sign-in/session.ts';
import { passkeysOf, sessionsOf } from '../sign-in/sessions.store.ts';
import { type Began, insertSession, refuseLocked } from '../sign-in/sign-in.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { networkOf, type Throttle } from '../sign-in/throttle.ts';
import { isOfNow, loginOf, recoveryDigest, recoveryOf } from './password.ts';
import { findLogin } from './passwords.store.ts';
import { isUsed, stepNow } from './totp-secret.ts';

/** One answer for whatever is wrong: nobody learns who there is, nor that a password was right. */
const NOBODY = refuse('SIGN_IN_REFUSED', 'Name, password and code do not belong together, or the code was used.');

/** What stands beside a password: a code of the app, or a code for when that is lost. */
type Shown = { readonly step: number } | { readonly recovery: string };

interface Said {
  readonly login: string;
  readonly password: string;
  readonly code: string;
}

/**
 * Signs in with a password and a second thing: never with one of them. Whoever has a passkey has no such way in. A code is
 * used within the entry that begins the session: of any number that bring it at once, one gets in.
 */
export async function signInWithPassword(context: SignInContext, ip: string, said: Said): Promise<Began | Refusal> {
  const { accounts } = context;
  const name = loginOf(said.login);
  const locked = refuseLocked(context, ip) ?? refuseLockedAccount(context, name) ?? refuseSealed(context);
  if (locked !== null) return locked;
  // INVARIANT: counted in the step in which it was found open: any number that come at once are counted.
  const attempt: Attempt = { ip, name, locksName: accounts.failed(name), counted: [[accounts, name]] };
  const takeBack = () => {
    for (const [throttle, who] of attempt.counted) throttle.takeBack(who);
  };
  try {
    const began = await trySignIn(context, attempt, said);
    // Whatever else there is, was no guess.
    if (isRefusal(began) && began !== NOBODY) takeBack();
    return began;
  } catch (error) {
    takeBack();
    throw error;
  }
}

async function trySignIn(context: SignInContext, attempt: Attempt, { password, code }: Said): Promise<Began | Refusal> {
  const { accounts, throttle, hashes, codes } = context;
  const { ip, name } = attempt;
  const known = await findActive(context, name);
  const isRight = await hashes.verify(known?.hash ?? null, password);
  if (isRight === null) return BUSY;
  if (known === undefined || !isRight) return await failed(context, attempt, known, 'PASSWORD_WRONG');
  const guesses = guessesOf(known.person_id);
  // Whoever has the password learns of this lock no more than that he is not let in.
  if (codes.waitSeconds(guesses) !== null) return await failed(context, attempt, known, 'CODES_LOCKED');
  const locksCodes = codes.failed(guesses);
  attempt.counted.push([codes, guesses]);
  const shown = await secondOf(context, known, code);
  if (isRefusal(shown)) return shown;
  const began = shown === null ? NOBODY : await begin(context, ip, known, shown);
  if (began === NOBODY || shown === null) {
    if (locksCodes) await noteLocked(context, ip, known.person_id, 'CODES');
    return await failed(context, attempt, known, shown === null ? 'CODE_WRONG' : 'CODE_USED');
  }
  if (isRefusal(began)) return began;
  throttle.succeeded(networkOf(ip));
  accounts.succeeded(name);
  codes.succeeded(guesses);
  // Minutes in which he takes another app.
  if ('recovery' in shown) context.recoveries.note(began.session.id);
  return began;
}

/** What guesses at somebody's codes are counted under, at sign-in and after it. */
export function guessesOf(person: string): string {
  return `codes of ${person}`;
}

/** One that was counted. */
interface Attempt {
  readonly ip: string;
  readonly name: string;
  /** It is one too many under this name. */
  readonly locksName: boolean;
  readonly counted: [Throttle, string][];
}

export const BUSY: Refusal = {
  ...refuse('TOO_MANY_ATTEMPTS', 'Many sign in at this moment; wait a second.'),
  retryAfterSeconds: 1,
};

/** Too many failed under this name, wherever they came from. */
function refuseLockedAccount({ accounts }: SignInContext, name: string): Refusal | null {
  const wait = accounts.waitSeconds(name);
  return wait === null ? null : tooMany(`Too many attempts under this name failed; wait ${wait} s.`, wait);
}

/** Too many codes of this person were wrong. */
export function refuseLockedCodes({ codes }: SignInContext, person: string): Refusal | null {
  const wait = codes.waitSeconds(guessesOf(person));
  return wait === null ? null : tooMany(`Too many codes were wrong; wait ${wait} s.`, wait);
}

function tooMany(detail: string, retryAfterSeconds: number): Refusal {
  return { ...refuse('TOO_MANY_ATTEMPTS', detail), retryAfterSeconds };
}

function refuseSealed({ vault }: SignInContext): Refusal | null {
  return vault.keyring.unsealed === null ? SEALED : null;
}

/** As the ledger recorded it. */
async function findActive({ reader, tampered }: SignInContext, name: string): Promise<PersonPasswordRow | undefined> {
  const id = await findLogin(reader, name);
  const [checked] = id === undefined ? [] : await readCheckedRows(reader, ['person_passwords'], [id]);
  if (checked === undefined) return undefined;
  if ('tampered' in checked) {
    tampered(checked.tampered);
    return undefined;
  }
  const row = checked.row as PersonPasswordRow;
  return row.state === 'active' ? row : undefined;
}

async function secondOf(context: SignInContext, row: PersonPasswordRow, code: string): Promise<Shown | null | Refusal> {
  const text = code.trim();
  if (!TOTP_CODE.test(text)) {
    const recovery = recoveryDigest(text);
    return recoveryOf(row).includes(recovery) ? { recovery } : null;
  }
  const step = await stepNow(context, row, text);
  return step === null || isRefusal(step) ? step : { step };
}

async function begin(
  context: SignInContext,
  ip: string,
  known: PersonPasswordRow,
  shown: Shown,
): Promise<Began | Refusal> {
  const { ledger, reader } = context;
  const { id, person_id: person } = known;
  const made = makeSession(context, { person_id: person, passkey_id: id, kind: 'browser' });
  const older = await sessionsOf(reader, person);
  const how = 'step' in shown ? 'password' : 'recovery-code';
  const draft = { actor: person, action: 'session.began', subject: made.row.id, side: { ip }, code: how };
  const locks = [person, id, ...older.map((session) => session.id)];
  const recorded = await ledger.record({ ...draft, locks }, async (facts) => {
    const row = await facts.find('people', person);
    const held = await facts.find('person_passwords', id);
    if (row?.state !== 'active' || held === undefined || !isOfNow(held, row) || held.hash !== known.hash) return NOBODY;
    if ((await passkeysOf(facts.db, person)).length > 0 || !(await use(facts, held, shown))) return NOBODY;
    return { person: row, session: await insertSession(facts, made) };
  });
  return isRefusal(recorded) ? recorded : { ...recorded.value, secret: made.secret };
}

/** False where somebody else was faster. */
async function use(facts: Facts, held: PersonPasswordRow, shown: Shown): Promise<boolean> {
  if ('step' in shown) {
    if (isUsed(held, shown.step)) return false;
    await facts.update('person_passwords', held, { used_step: shown.step });
    return true;
  }
  const left = recoveryOf(held).filter((digest) => digest !== shown.recovery);
  if (left.length === recoveryOf(held).length) return false;
  await facts.update('person_passwords', held, { recovery: JSON.stringify(left) });
  return true;
}

async function failed(
  context: SignInContext,
  { ip, locksName }: Attempt,
  known: PersonPasswordRow | undefined,
  code: string,
): Promise<Refusal> {
  const { ledger, throttle } = context;
  // Of a network only what failed counts: many may sign in from one at a moment.
  const locksNetwork = throttle.failed(networkOf(ip));
  if (known !== undefined) {
    const draft = {
      actor: 'system',
      action: 'sign-in.refused',
      subject: known.person_id,
      about: known.person_id,
      code,
    };
    await ledger.record({ ...draft, side: { ip }, evenWithoutChange: true }, async () => null);
  }
  if (locksName) await noteLocked(context, ip, known?.person_id, 'ACCOUNT');
  if (locksNetwork) await noteLocked(context, ip, undefined, undefined);
  return NOBODY;
}

/** Enters that somebody is locked out. @param person undefined: nobody that is known */
export async function noteLocked(
  { ledger }: Pick<SignInContext, 'ledger'>,
  ip: string,
  person: string | undefined,
  code: string | undefined,
): Promise<void> {
  const draft = { actor: 'system', action: 'sign-in.locked', subject: person ?? ledger.head.installation, code };
  await ledger.record({ ...draft, about: person, side: { ip }, evenWithoutChange: true }, async () => null);
}
