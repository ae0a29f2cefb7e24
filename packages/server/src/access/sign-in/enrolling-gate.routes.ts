import { hasPrefix, INVITATION_PREFIX } from '@keyhold/protocol/credential-format';
import { refuse } from '@keyhold/protocol/errors';
import type { Gate } from '../../http/mount.ts';
import type { Principal } from '../principal.ts';
import { type Enrolling, findInvitation } from './enrol.ts';
import type { SignInContext } from './sign-in-context.ts';

export const ELSEWHERE = refuse('FORBIDDEN', 'Sign in on a page of this server.', 'Origin');

/** Signing somebody in as another is an attack too; a page of ours says that it is. */
export function isForeign({ site }: SignInContext, origin: string | undefined): boolean {
  return origin !== undefined && origin !== site().origin;
}

/** Opens to holders of an invitation, and of what makes an owner. */
export function enrollingGate(gate: Gate<Principal>, context: SignInContext): Gate<Enrolling> {
  return {
    authenticate: async (secret) => {
      if (secret === null) return null;
      if (!hasPrefix(secret, INVITATION_PREFIX)) {
        const found = await gate.authenticate(secret);
        const { bootstrapId, recoveryId } = context.ownerTokens;
        const makesOwner = found !== null && (found.id === bootstrapId || found.id === recoveryId);
        return makesOwner ? { id: found.id, invitation: null } : null;
      }
      const invitation = await findInvitation(context, secret);
      return invitation === null ? null : { id: invitation.id, invitation };
    },
  };
}
