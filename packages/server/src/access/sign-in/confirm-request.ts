import { hash } from 'node:crypto';
import { CLOCK_AHEAD_MS } from '@keyhold/protocol/dialects/dialect';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { PASSKEY_WINDOW_MS, passkeyStatement, readPasskey } from '@keyhold/protocol/request-passkey';
import type { Principal, SentRequest } from '../principal.ts';
import { readAssertion } from '../verify-passkey.ts';
import { findPasskey, noteAssertion } from './find-passkey.ts';
import type { SignInContext } from './sign-in-context.ts';

/** Confirmations that were used, until their time is over; each is good once. */
export class Confirmations {
  /** Challenge → when it may be forgotten, epoch milliseconds; in order of arrival. */
  readonly #used = new Map<string, number>();

  /** False where it was used before. */
  take(challenge: string, nowMs: number): boolean {
    for (const [old, until] of this.#used) {
      if (until > nowMs) break;
      this.#used.delete(old);
    }
    if (this.#used.has(challenge)) return false;
    // One from a clock that is ahead is good for longer.
    this.#used.set(challenge, nowMs + PASSKEY_WINDOW_MS + 2 * CLOCK_AHEAD_MS);
    return true;
  }
}

/**
 * Whether the person who asks for this has shown a passkey of his for this very request: the challenge is the digest of
 * method, target, body, session and time, as for consumers' requests. A session alone, stolen or left open, does nothing
 * that is critical. A token is no person: what it may do stands in its scopes.
 */
export async function confirmRequest(
  context: Pick<SignInContext, 'reader' | 'scratch' | 'clock' | 'tampered' | 'copied' | 'ledger' | 'site'>,
  used: Confirmations,
  { id: person, session }: Principal,
  request: SentRequest,
): Promise<Refusal | null> {
  if (session === undefined) return null;
  if (session.kind !== 'browser') return unconfirmed('Do this where you are signed in with a browser.');
  const sent = readPasskey(request.headers);
  if (sent === null) return unconfirmed('Send Keyhold-Passkey, over this request and your session.');
  const { at, assertion } = sent;
  const nowMs = context.clock.wall();
  if (at > nowMs + CLOCK_AHEAD_MS || nowMs > at + PASSKEY_WINDOW_MS)
    return unconfirmed('It is too old: confirm again.');
  const passkey = await findPasskey(context, assertion.id);
  if (passkey === undefined || passkey.person_id !== person) return unconfirmed('This is no passkey of yours.');
  const { method, target, body } = request;
  const bodySha256 = hash('sha256', body, 'hex');
  const statement = passkeyStatement({ method, target, bodySha256, credential: session.id, at });
  const challenge = hash('sha256', statement, 'base64url');
  const { origin, rpId } = context.site();
  const known = { credentialId: passkey.credential_id, publicKey: passkey.public_key, counter: 0 };
  const counter = await readAssertion({ challenge, origins: [origin], rpId }, known, {
    ...{ id: assertion.id, rawId: assertion.id, type: 'public-key', clientExtensionResults: {} },
    response: assertion.response,
  });
  if (counter === null) return unconfirmed('It confirms another request, or is not of this passkey.');
  if (!used.take(challenge, nowMs)) return unconfirmed('It was used already: confirm again.');
  await noteAssertion(context, passkey, counter);
  // What was confirmed, and with what, stands in the log before it is done.
  const side = { ip: request.ip, method, target, bodySha256, session: session.id };
  const draft = { actor: person, action: 'request.confirmed', subject: passkey.id, side };
  const recorded = await context.ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
  return isRefusal(recorded) ? recorded : null;
}

function unconfirmed(detail: string): Refusal {
  return refuse('CONFIRMATION_REQUIRED', detail);
}
