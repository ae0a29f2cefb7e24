import { hash } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import type { SentCode } from '@keyhold/protocol/request-code';
import type { PersonPasswordRow } from '../../database/people-rows.ts';
import { readCheckedRows } from '../../ledger/checked-rows.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';
import { isOfNow } from './password.ts';
import { passwordsOf } from './passwords.store.ts';
import { isUsed, stepNow } from './totp-secret.ts';
import { guessesOf, noteLocked, refuseLockedCodes } from './sign-in-password.ts';

/** The request that a code confirms. */
export interface CodedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly bodySha256: string;
  /** Id of the session that asks. */
  readonly session: string;
}

/** What a nonce is for: just this request of this session. */
function purposeOf(person: string, { method, target, bodySha256, session }: CodedRequest): string {
  const said = canonicalJson({ statement: 'confirm by code', method, target, bodySha256, session, version: 1 });
  return `confirm ${person} ${hash('sha256', said, 'hex')}`;
}

/** Binds the code that comes with it to a request, for five minutes. */
export function nonceFor({ challenges }: SignInContext, person: string, request: CodedRequest): string {
  return challenges.make(purposeOf(person, request));
}

function unconfirmed(detail: string): Refusal {
  return refuse('CONFIRMATION_REQUIRED', detail);
}

const WRONG = unconfirmed('This is no code that your app shows now, or it was used: wait for the next one.');

/** The password of a person that counts now, as the ledger recorded it. */
export async function findPasswordOf(
  { reader, tampered }: Pick<SignInContext, 'reader' | 'tampered'>,
  person: string,
): Promise<PersonPasswordRow | undefined> {
  const ids = (await passwordsOf(reader, person)).map(({ id }) => id);
  for (const checked of await readCheckedRows(reader, ['person_passwords'], ids)) {
    if ('tampered' in checked) tampered(checked.tampered);
    else if ((checked.row as PersonPasswordRow).state === 'active') return checked.row as PersonPasswordRow;
  }
  return undefined;
}

/**
 * Whether a person has shown a code of his app for just this request. The app knows nothing of it: the nonce binds the two,
 * and each is good once. Guesses are counted by person, whoever has his session.
 * @param from address of the peer
 */
export async function confirmByCode(
  context: SignInContext,
  person: string,
  request: CodedRequest,
  from: string,
  { nonce, code }: SentCode,
): Promise<Refusal | null> {
  const { challenges, codes } = context;
  const guesses = guessesOf(person);
  const locked = refuseLockedCodes(context, person);
  if (locked !== null) return locked;
  const purpose = purposeOf(person, request);
  if (!challenges.isOpen(purpose, nonce))
    return unconfirmed('It confirms another request, or was used, or is too old.');
  // INVARIANT: counted in the step in which it was found open, and a nonce is of one guess: any number at once are counted.
  const isLocking = codes.failed(guesses);
  challenges.take(purpose, nonce);
  try {
    const refused = await tryCode(context, person, request, from, code);
    if (refused === null) codes.succeeded(guesses);
    // Whatever else there is, was no guess.
    else if (refused !== WRONG) codes.takeBack(guesses);
    if (refused === WRONG && isLocking) await noteLocked(context, from, person, 'CODES');
    return refused;
  } catch (error) {
    codes.takeBack(guesses);
    throw error;
  }
}

async function tryCode(
  context: SignInContext,
  person: string,
  { method, target, session }: CodedRequest,
  from: string,
  code: string,
): Promise<Refusal | null> {
  const known = await findPasswordOf(context, person);
  const step = known === undefined ? null : await stepNow(context, known, code);
  if (isRefusal(step)) return step;
  if (known === undefined || step === null) return WRONG;
  const side = { ip: from, method, target, session };
  const draft = { actor: person, action: 'request.confirmed', subject: known.id, side, locks: [person, known.id] };
  const recorded = await context.ledger.record(draft, async (facts) => {
    const [row, held] = [await facts.find('people', person), await facts.find('person_passwords', known.id)];
    const isGood = row?.state === 'active' && held !== undefined && isOfNow(held, row) && !isUsed(held, step);
    if (!isGood) return WRONG;
    await facts.update('person_passwords', held, { used_step: step });
    return null;
  });
  return isRefusal(recorded) ? recorded : null;
}
