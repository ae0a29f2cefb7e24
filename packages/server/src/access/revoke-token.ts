import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { TokenRow } from '../database/schema.ts';
import { attribution, type Caller, type ChangeContext } from './change-context.ts';

/**
 * Revokes a token; when this returns no verifier with a lease takes it, nor does the control plane. One that is cut off
 * from us may still know it, and answers it with `VERIFIER_FENCED`, or `stale` where its environment serves on.
 * Repeating it waits for the same entry again.
 */
export async function revokeToken(
  { ledger, propagation }: ChangeContext,
  caller: Caller,
  id: string,
): Promise<{ token: TokenRow; barrier: Barrier } | Refusal> {
  const recorded = await ledger.record(
    { ...attribution(caller), action: 'token.revoked', subject: id, locks: [id] },
    async (facts) => {
      const { row: token, tampered } = await facts.examine('tokens', id);
      if (token === undefined) return refuse('TOKEN_NOT_FOUND', `There is no token ${id}.`, 'id');
      const revoked = await facts[tampered ? 'overwrite' : 'update']('tokens', token, { state: 'deactivated' });
      return { token: revoked, tampered };
    },
  );
  if (isRefusal(recorded)) return recorded;
  const { token, tampered } = recorded.value;
  // Where a tampered row says that it is bound is not where verifiers hold it.
  const concerned = tampered || token.environment_id === null ? null : new Set([token.environment_id]);
  return { token, barrier: await propagation.taken(recorded.sequence, concerned) };
}
