import { isRefusal } from '@keyhold/protocol/errors';
import { revokeToken } from '../access/revoke-token.ts';
import { findToken } from '../access/tokens.store.ts';
import {
  data,
  envelope,
  errors,
  NO_CONTENT,
  PERMISSION_DENIED,
  refusalAnswer,
  type VaultAnswer,
} from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

/** `auth/token/…-self`: what a token may ask and do of itself. */
export async function tokenSelf(api: VaultApi, call: VaultCall): Promise<VaultAnswer> {
  const { principal } = call.caller;
  // Looking is for everybody's GET and POST; what changes something, or is meant to, is asked for by POST.
  if (call.method !== 'POST' && !(call.method === 'GET' && call.path === 'lookup-self'))
    return errors(405, 'unsupported operation');
  const token = await findToken(api.reader, principal.id);
  if (token === undefined) return PERMISSION_DENIED;
  const left =
    token.expires_at === null ? 0 : Math.max(0, Math.floor((token.expires_at - api.vault.clock.wall()) / 1000));
  const policies = JSON.parse(token.scopes) as string[];
  switch (call.path) {
    case 'lookup-self':
      return data({
        accessor: token.id,
        creation_time: Math.floor(token.created_at / 1000),
        creation_ttl: token.expires_at === null ? 0 : Math.floor((token.expires_at - token.created_at) / 1000),
        display_name: token.name,
        entity_id: '',
        expire_time: token.expires_at === null ? null : new Date(token.expires_at).toISOString(),
        explicit_max_ttl: 0,
        id: call.token,
        meta: null,
        num_uses: 0,
        orphan: true,
        path: 'auth/token/create',
        policies,
        renewable: false,
        ttl: left,
        type: 'service',
      });
    case 'renew-self':
      // Our tokens end when they were said to: renewing answers with what is left.
      return envelope({
        warnings: ['tokens of this installation are not renewable'],
        auth: {
          client_token: call.token,
          accessor: token.id,
          policies,
          token_policies: policies,
          metadata: null,
          lease_duration: left,
          renewable: false,
          entity_id: '',
          token_type: 'service',
          orphan: true,
          num_uses: 0,
        },
      });
    case 'revoke-self': {
      const revoked = await revokeToken(api.context, call.caller, principal.id);
      return isRefusal(revoked) ? refusalAnswer(revoked) : { ...NO_CONTENT, sequence: revoked.barrier.sequence };
    }
    default:
      return errors(404);
  }
}
