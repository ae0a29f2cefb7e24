import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { PersonPasswordRow } from '../../database/people-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import type { Facts } from '../../ledger/facts.ts';
import { attribution, type Caller } from '../change-context.ts';
import { sessionsOf } from '../sign-in/sessions.store.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { findPasswordOf } from './confirm-by-code.ts';
import { isOfNow, newRecoveryCodes, passwordProblem } from './password.ts';
import type { NewPassword } from './enrol-password.ts';
import { BUSY } from './sign-in-password.ts';
import { sealTotp, takeTotp } from './totp-secret.ts';

const HAS_NONE = refuse('FORBIDDEN', 'You have no password here: this is for those who sign in with one.');

/** Changes something about a caller's password, as it is within the change. */
async function change<T>(
  { ledger }: SignInContext,
  caller: Caller,
  action: string,
  { id }: PersonPasswordRow,
  others: readonly string[],
  work: (facts: Facts, row: PersonPasswordRow) => Promise<T>,
): Promise<Recorded<T> | Refusal> {
  const person = caller.principal.id;
  const draft = { ...attribution(caller), action, subject: id, locks: [person, id, ...others] };
  return await ledger.record(draft, async (facts) => {
    const [owner, row] = [await facts.find('people', person), await facts.find('person_passwords', id)];
    if (owner?.state !== 'active' || row === undefined || !isOfNow(row, owner)) return HAS_NONE;
    return await work(facts, row);
  });
}

/** Another password; whoever knew the one before is out. */
export async function changePassword(
  context: SignInContext,
  caller: Caller,
  password: string,
): Promise<Recorded<{ sessionsEnded: number }> | Refusal> {
  const { principal } = caller;
  const known = await findPasswordOf(context, principal.id);
  if (known === undefined) return HAS_NONE;
  const problem = passwordProblem(password, known.login ?? '');
  if (problem !== null) return problem;
  const hash = await context.ownHashes.make(password);
  if (hash === null) return BUSY;
  const sessions = (await sessionsOf(context.reader, principal.id)).filter(({ id }) => id !== principal.session?.id);
  const ids = sessions.map(({ id }) => id);
  return await change(context, caller, 'password.changed', known, ids, async (facts, row) => {
    await facts.update('person_passwords', row, { hash });
    return { sessionsEnded: await endOthers(facts, principal.id, principal.session?.id ?? '') };
  });
}

async function endOthers(facts: Facts, person: string, own: string): Promise<number> {
  let ended = 0;
  for (const { id } of await sessionsOf(facts.db, person))
    if (id !== own && (await facts.takeAway('sessions', id, { state: 'ended' })) !== undefined) ended++;
  return ended;
}

/** Recovery codes in the place of those before. */
export async function renewRecoveryCodes(
  context: SignInContext,
  caller: Caller,
): Promise<Recorded<readonly string[]> | Refusal> {
  const known = await findPasswordOf(context, caller.principal.id);
  if (known === undefined) return HAS_NONE;
  const { codes, recovery } = newRecoveryCodes(context.random);
  return await change(context, caller, 'password.codes-made', known, [], async (facts, row) => {
    await facts.update('person_passwords', row, { recovery });
    return codes;
  });
}

/** Another app in the place of the one before; whoever else is signed in is out. */
export async function replaceTotp(
  context: SignInContext,
  caller: Caller,
  session: string,
  totp: NewPassword['totp'],
): Promise<Recorded<null> | Refusal> {
  const known = await findPasswordOf(context, caller.principal.id);
  if (known === undefined) return HAS_NONE;
  const taken = takeTotp(context, session, totp);
  if (isRefusal(taken)) return taken;
  const sealed = await sealTotp(context, known.id, taken);
  if (isRefusal(sealed)) return sealed;
  const others = (await sessionsOf(context.reader, caller.principal.id)).filter(({ id }) => id !== session);
  const ids = others.map(({ id }) => id);
  return await change(context, caller, 'password.app-replaced', known, ids, async (facts, row) => {
    await facts.update('person_passwords', row, sealed);
    await endOthers(facts, caller.principal.id, session);
    return null;
  });
}
