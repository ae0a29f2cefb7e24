import { isDeepStrictEqual } from 'node:util';
import { hasPrefix, SESSION_PREFIX } from '@keyhold/protocol/credential-format';
import { isRefusal, refuse } from '@keyhold/protocol/errors';
import type { Gate } from '../../http/mount.ts';
import { refuseAsked } from '../locate.ts';
import type { Principal } from '../principal.ts';
import { refuseUnnamed } from '../refuse-unnamed.ts';
import { expose } from '../../vault/expose.ts';
import { authenticateSession } from './authenticate-session.ts';
import { confirmRequest } from './confirm-request.ts';
import { renewSession } from './renew-session.ts';
import type { SignInContext } from './sign-in-context.ts';

const CHANGED = refuse('FORBIDDEN', 'What you may do has changed just now: ask again.');

/**
 * Opens the API to people too: to browsers by their cookie, to command lines by a bearer token of a session.
 * @param tokens finds who holds one of our tokens
 */
export function personGate(
  context: SignInContext,
  tokens: (secret: string | null, ip: string) => Promise<Principal | null>,
): Pick<Gate<Principal>, 'authenticate' | 'cookies' | 'confirm' | 'refuse'> {
  return {
    refuse: refuseAsked,
    authenticate: async (secret, ip = '') => {
      if (secret === null || !hasPrefix(secret, SESSION_PREFIX)) return await tokens(secret, ip);
      const found = await authenticateSession(context, secret, 'cli', ip);
      if (found !== null) context.uses.note(found.session.id, ip);
      return found?.principal ?? null;
    },
    cookies: {
      origin: () => context.site().origin,
      open: async (secret, ip, isWatching) => {
        const found = await authenticateSession(context, secret, 'browser', ip);
        if (found === null) return null;
        if (isWatching) return { principal: found.principal, renewed: null };
        context.uses.note(found.session.id, ip);
        const renewed = await renewSession(context, found);
        return { principal: found.principal, renewed: renewed === null ? null : expose(renewed) };
      },
    },
    confirm: async (principal, request, again) => {
      if (principal.session === undefined) return refuseUnnamed(principal);
      const refused = await confirmRequest(context, { ...principal, session: principal.session }, request());
      if (refused !== null) return refused;
      // Entering it took its time: whoever lost a right meanwhile does not get what he asked for.
      const now = await again();
      if (now === null || isRefusal(now) || principal.judge.hasChanged) return CHANGED;
      return isDeepStrictEqual([now.id, now.grants, now.session], [principal.id, principal.grants, principal.session])
        ? null
        : CHANGED;
    },
  };
}
