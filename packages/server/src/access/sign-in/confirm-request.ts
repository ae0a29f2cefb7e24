import { hash } from 'node:crypto';
import { CONFIRMATION_HEADER, type SentRequest } from '@keyhold/protocol/confirmation';
import { CLOCK_AHEAD_MS } from '@keyhold/protocol/dialects/dialect';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import {
  PASSKEY_HEADER,
  PASSKEY_WINDOW_MS,
  passkeyStatement,
  readPasskey,
  type SentPasskey,
} from '@keyhold/protocol/request-passkey';
import type { Clock } from '../../clock.ts';
import { codeOfHeaders, readCode } from '@keyhold/protocol/request-code';
import { confirmByCode } from '../passwords/confirm-by-code.ts';
import type { Principal } from '../principal.ts';
import { readAssertion } from '@keyhold/verifier/passkeys';
import { findPasskey, isOfNow, noteAssertion } from './find-passkey.ts';
import { MAX_PENDING_BYTES, type PendingRequest } from './pending-requests.ts';
import type { SignInContext } from './sign-in-context.ts';
import { UsedOnce } from './used-once.ts';

/** Confirmations that were used since this start. What was used before it is not known: nothing older is taken. */
export class Confirmations {
  readonly #used = new UsedOnce();
  readonly #clock: Clock;
  readonly #startedAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** When this start was, by the wall clock as it goes now: it may have been set since. Epoch milliseconds. */
  get since(): number {
    return this.#clock.wall() - (this.#clock.monotonic() - this.#startedAt);
  }

  /** False where it was used before. */
  take(challenge: string, nowMs: number): boolean {
    // One from a clock that is ahead is good for longer.
    return this.#used.take(challenge, nowMs, nowMs + PASSKEY_WINDOW_MS + 2 * CLOCK_AHEAD_MS);
  }
}

/**
 * Whether the person who asks for this has shown a passkey of his for this very request: the challenge is the digest of
 * method, target, body, session and time, as for consumers' requests. A session alone, stolen or left open, does nothing
 * that is critical. Who has an app instead shows a code of it, bound by a nonce. What a command line asks for waits until its person has confirmed it in a browser. A token is no
 * person: what it may do stands in its scopes.
 */
export async function confirmRequest(
  context: SignInContext,
  { id: person, session }: Pick<Principal, 'id'> & Required<Pick<Principal, 'session'>>,
  request: SentRequest,
): Promise<Refusal | null> {
  if (session.kind === 'cli') return waitForPerson(context, person, session.id, request);
  const sent = readPasskey(request.headers);
  const code = readCode(codeOfHeaders(request.headers));
  const bodySha256 = hash('sha256', request.body, 'hex');
  const body = Buffer.from(request.body).toString('utf8');
  const asked = { ...request, body, bodySha256, session: session.id, from: request.ip };
  if (sent !== null) return await prove(context, person, asked, sent);
  if (code !== null) return await confirmByCode(context, person, asked, request.ip, code);
  return unconfirmed('Send Keyhold-Passkey, over this request and your session; or Keyhold-Code, if you have an app.');
}

function waitForPerson(
  { pending }: SignInContext,
  person: string,
  session: string,
  request: SentRequest,
): Refusal | null {
  const id = request.headers.find(([name]) => name.toLowerCase() === CONFIRMATION_HEADER)?.[1];
  if (id !== undefined && pending.take(id, session, request)) return null;
  // Whoever asks again for what was discarded does not put it back.
  if (id !== undefined && pending.find(person, id) === undefined) return unconfirmed('It was discarded, or is over.');
  if (request.carriesSecret)
    return unconfirmed('It carries a secret, which waits nowhere: do it with a token that a policy names for it.');
  if (request.body.length > MAX_PENDING_BYTES)
    return unconfirmed('It is too long to wait: do it with a token that a policy names for it.');
  const confirmation = pending.hold(person, session, request);
  const detail = 'Confirm it on the page of your account, then send it again with Keyhold-Confirmation.';
  return { ...unconfirmed(detail), confirmation };
}

/** Takes the word of a person, in his browser, for what his command line asked. */
export async function confirmPending(
  context: SignInContext,
  { id: person }: Principal,
  held: PendingRequest,
  ip: string,
  { passkey, code }: { readonly passkey?: string; readonly code?: string },
): Promise<Refusal | null> {
  const sent = passkey === undefined ? null : readPasskey([[PASSKEY_HEADER, passkey]]);
  const coded = readCode(code);
  if ((sent === null) === (coded === null)) return unconfirmed('This is no confirmation.');
  const refused =
    coded === null
      ? await prove(context, person, held, sent as SentPasskey)
      : await confirmByCode(context, person, held, ip, coded);
  if (refused === null) context.pending.confirm(held.id);
  return refused;
}

/** A request, and whose it is. */
type Confirmed = Pick<
  PendingRequest,
  'method' | 'target' | 'body' | 'bodySha256' | 'keepsSignature' | 'session' | 'from'
>;

async function prove(
  context: SignInContext,
  person: string,
  { method, target, body, bodySha256, keepsSignature, session, from }: Confirmed,
  { at, assertion }: SentPasskey,
): Promise<Refusal | null> {
  const nowMs = context.clock.wall();
  const isTimely = at <= nowMs + CLOCK_AHEAD_MS && nowMs <= at + PASSKEY_WINDOW_MS;
  if (!isTimely || at < context.confirmations.since) return unconfirmed('It is too old: confirm again.');
  const passkey = await findPasskey(context, assertion.id);
  if (passkey === undefined || passkey.person_id !== person || !(await isOfNow(context, passkey)))
    return unconfirmed('This is no passkey of yours.');
  const statement = passkeyStatement({ method, target, bodySha256, credential: session, at });
  const challenge = hash('sha256', statement, 'base64url');
  const { origin, rpId } = context.site();
  const known = { credentialId: passkey.credential_id, publicKey: passkey.public_key };
  const counter = await readAssertion({ challenge, origins: [origin], rpId }, known, assertion);
  if (counter === null) return unconfirmed('It confirms another request, or is not of this passkey.');
  if (!context.confirmations.take(challenge, nowMs)) return unconfirmed('It was used already: confirm again.');
  await noteAssertion(context, passkey, counter);
  // What was confirmed, and with what, stands in the log before it is done. Not the digest of its body: whoever reads
  // the log could try against it what people choose, such as a passphrase.
  const { clientDataJSON, authenticatorData, signature } = assertion.response;
  const signed = { body, at, publicKey: known.publicKey, clientDataJSON, authenticatorData, signature };
  const side = { ip: from, method, target, session, ...(keepsSignature ? { signed } : {}) };
  const draft = { actor: person, action: 'request.confirmed', subject: passkey.id, side };
  const recorded = await context.ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
  return isRefusal(recorded) ? recorded : null;
}

function unconfirmed(detail: string): Refusal {
  return refuse('CONFIRMATION_REQUIRED', detail);
}
