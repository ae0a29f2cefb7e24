import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { TokenRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { attribution, type Attribution, type Caller, type ChangeContext } from './change-context.ts';

/**
 * Revokes a token; when this returns neither a verifier takes it nor the control plane. One that is cut off from us
 * answers nobody any more once its lease is over, or serves on, `unconfirmed`, where its environment says so.
 * Repeating it waits for the same entry again.
 */
export async function revokeToken(
  context: ChangeContext,
  caller: Caller,
  id: string,
): Promise<{ token: TokenRow; barrier: Barrier } | Refusal> {
  const recorded = await endToken(context, attribution(caller), id);
  if (isRefusal(recorded)) return recorded;
  const { token, tampered } = recorded.value;
  // Where a tampered row says that it is bound is not where verifiers hold it.
  const concerned = tampered || token.environment_id === null ? null : new Set([token.environment_id]);
  return { token, barrier: await context.propagation.taken(recorded.sequence, concerned) };
}

/**
 * Ends a token; whoever calls waits for the barrier. It works on rows that somebody wrote past the ledger too.
 * @param also what is written in the same entry
 */
export async function endToken(
  { ledger }: Pick<ChangeContext, 'ledger'>,
  by: Attribution,
  id: string,
  also?: (facts: Facts) => Promise<unknown>,
): Promise<Recorded<{ token: TokenRow; tampered: boolean }> | Refusal> {
  return await ledger.record({ ...by, action: 'token.revoked', subject: id, locks: [id] }, async (facts) => {
    const { row: token, tampered } = await facts.examine('tokens', id);
    if (token === undefined) return refuse('TOKEN_NOT_FOUND', `There is no token ${id}.`, 'id');
    const revoked = await facts[tampered ? 'overwrite' : 'update']('tokens', token, { state: 'deactivated' });
    await also?.(facts);
    return { token: revoked, tampered };
  });
}
