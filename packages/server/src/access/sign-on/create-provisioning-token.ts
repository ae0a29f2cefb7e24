import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SignOnRow } from '../../database/sign-on-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { attribution, type Caller, type ChangeContext } from '../change-context.ts';
import { type CreatedToken, makeToken } from '../create-token.ts';
import { refusePast } from '../read-expiry.ts';
import { provisioningNameOf } from './sign-on.ts';

/** Makes a token with which a provider keeps its people and groups here; it opens nothing else. */
export async function createProvisioningToken(
  context: ChangeContext,
  caller: Caller,
  signOn: Pick<SignOnRow, 'id'>,
  expiresAt: number | null,
): Promise<Recorded<CreatedToken> | Refusal> {
  const { ledger, clock, propagation } = context;
  const { secret, row } = makeToken(context);
  const draft = { ...attribution(caller), action: 'token.created', subject: row.id, locks: [signOn.id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const past = refusePast(expiresAt, clock.wall());
    if (past !== null) return past;
    if ((await facts.find('sign_ons', signOn.id)) === undefined)
      return refuse('SIGN_ON_NOT_FOUND', 'It is gone.', 'name');
    const columns = { name: provisioningNameOf(signOn), scopes: JSON.stringify(['scim']), projects: null };
    const token = await facts.insert('tokens', { ...row, ...columns, environment_id: null, expires_at: expiresAt });
    return { token, secret };
  });
  if (!isRefusal(recorded)) await propagation.given(recorded.sequence);
  return recorded;
}
