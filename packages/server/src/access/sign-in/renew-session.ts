import { isRefusal } from '@keyhold/protocol/errors';
import type { Secret } from '../../vault/secret.ts';
import type { SignedIn } from './authenticate-session.ts';
import { makeSessionSecret, RENEW_AFTER_MS } from './session.ts';
import type { SignInContext } from './sign-in-context.ts';

/**
 * Replaces a browser's secret once it is an hour old, so that one which was copied is of use no longer than that, and is
 * noticed. Of requests that come together one does it; the others go on with what they have.
 * @returns the new one, or null
 */
export async function renewSession(
  { ledger, clock, random }: Pick<SignInContext, 'ledger' | 'clock' | 'random'>,
  { session, digest, principal }: SignedIn,
): Promise<Secret | null> {
  if (session.kind !== 'browser' || clock.wall() < session.renewed_at + RENEW_AFTER_MS) return null;
  const fresh = makeSessionSecret(random);
  const draft = { actor: principal.id, action: 'session.renewed', subject: session.id, locks: [session.id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const row = await facts.find('sessions', session.id);
    if (row?.state !== 'active' || row.digest !== digest) return { renewed: false };
    const change = { digest: fresh.digest, previous_digest: digest, renewed_at: clock.wall() };
    await facts.update('sessions', row, change);
    return { renewed: true };
  });
  return !isRefusal(recorded) && recorded.value.renewed ? fresh.secret : null;
}
