import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Facts } from '../ledger/facts.ts';
import type { Caller } from './change-context.ts';

/**
 * Whoever gives something to last gives it only while he is there: asked within the change itself, so that nothing that a
 * person gave comes after the answer that he is gone.
 */
export async function refuseGone(facts: Facts, { principal }: Caller): Promise<Refusal | null> {
  if (principal.session === undefined) return null;
  const person = await facts.find('people', principal.id);
  const session = await facts.find('sessions', principal.session.id);
  if (person?.state === 'active' && session?.state === 'active') return null;
  return refuse('UNAUTHENTICATED', 'Your session has ended: sign in.');
}
