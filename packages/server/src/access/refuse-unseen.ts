import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Scope } from '@keyhold/protocol/state';
import { decide } from './decide.ts';
import { allowAt } from './locate.ts';
import { isSamePlace, isWithin, type Principal, type Resource } from './principal.ts';

/**
 * Whoever has `feed:hmac` is sent what requests are signed with, past all policies: giving it takes what revealing takes,
 * at each place that it would cover. A service does not give it: no person confirms that.
 */
export function refuseUnseen(principal: Principal, scopes: readonly Scope[], at: readonly Resource[]): Refusal | null {
  if (!scopes.includes('feed:hmac')) return null;
  if (principal.kind === 'service' && principal.judge.bindsServices)
    return refuse('FORBIDDEN', 'The scope feed:hmac is given by a person who confirms it.', '/scopes');
  const absent = refuse('FORBIDDEN', 'You can only give what you have: you may not reveal secrets there.', '/scopes');
  const covered = principal.judge.everyPlace().filter((place) => at.some((one) => isWithin(place, one)));
  const closed = covered.find((place) => {
    const { allowed, rule } = decide(principal, 'secrets.reveal', place);
    return !allowed && rule !== 'default' && !at.some((one) => isSamePlace(place, one));
  });
  for (const resource of closed === undefined ? at : [...at, closed]) {
    const denied = allowAt(principal, 'secrets.reveal', { resource, absent });
    if (denied !== null) return denied;
  }
  return null;
}
