import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { TOTP_CODE } from '@keyhold/protocol/totp';
import type { PersonPasswordRow } from '../../database/people-rows.ts';
import type { Facts } from '../../ledger/facts.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import { SEALED } from '../../vault/vault.ts';
import { makeSession } from '../sign-in/session.ts';
import { passkeysOf, sessionsOf } from '../sign-in/sessions.store.ts';
import { type Began, insertSession, noteFailure, refuseLocked } from '../sign-in/sign-in.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { networkOf } from '../sign-in/throttle.ts';
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
export async function signInWithPassword(
  context: SignInContext,
  ip: string,
  { login, password, code }: Said,
): Promise<Began | Refusal> {
  const name = loginOf(login);
  const locked = refuseLocked(context, ip) ?? refuseLockedAccount(context, name) ?? refuseSealed(context);
  if (locked !== null) return locked;
  const known = await findActive(context, name);
  const isRight = await context.hashes.verify(known?.hash ?? null, password);
  if (isRight === null) return BUSY;
  if (known === undefined || !isRight) return await failed(context, ip, name, known, 'PASSWORD_WRONG');
  const shown = await secondOf(context, known, code);
  if (isRefusal(shown)) return shown;
  if (shown === null) return await failed(context, ip, name, known, 'CODE_WRONG');
  const began = await begin(context, ip, known, shown);
  if (isRefusal(began)) return began === NOBODY ? await failed(context, ip, name, known, 'CODE_USED') : began;
  context.throttle.succeeded(networkOf(ip));
  context.accounts.succeeded(name);
  // Minutes in which he takes another app.
  if ('recovery' in shown) context.recoveries.note(began.session.id);
  return began;
}

export const BUSY: Refusal = {
  ...refuse('TOO_MANY_ATTEMPTS', 'Many sign in at this moment; wait a second.'),
  retryAfterSeconds: 1,
};

/** Too many failed under this name, wherever they came from. */
export function refuseLockedAccount({ accounts }: SignInContext, name: string): Refusal | null {
  const wait = accounts.waitSeconds(name);
  if (wait === null) return null;
  return {
    ...refuse('TOO_MANY_ATTEMPTS', `Too many attempts under this name failed; wait ${wait} s.`),
    retryAfterSeconds: wait,
  };
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
  ip: string,
  name: string,
  known: PersonPasswordRow | undefined,
  code: string,
): Promise<Refusal> {
  const { ledger, accounts } = context;
  const draft = { actor: 'system', side: { ip }, evenWithoutChange: true } as const;
  const about = known === undefined ? {} : { about: known.person_id };
  if (known !== undefined) {
    const refused = { ...draft, ...about, action: 'sign-in.refused', subject: known.person_id, code };
    await ledger.record(refused, async () => null);
  }
  if (accounts.failed(name)) {
    const subject = known?.person_id ?? ledger.head.installation;
    await ledger.record({ ...draft, ...about, action: 'sign-in.locked', subject, code: 'ACCOUNT' }, async () => null);
  }
  await noteFailure(context, ip);
  return NOBODY;
}
