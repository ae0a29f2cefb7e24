import { isRefusal } from '@keyhold/protocol/errors';
import type { RoleGrantRow } from '../../database/people-rows.ts';
import type { Vault } from '../../vault/vault.ts';
import type { Attribution } from '../change-context.ts';
import { rolesGivenBy } from './sign-ons.store.ts';

/** An entry names each, twice where it was tampered with, and is bounded. */
const ENDED_AT_ONCE = 25;

/** Ends roles that a provider's groups gave, be they whose they may. Resolves to how many it ended. */
export async function endRolesBy(
  { ledger, reader }: Pick<Vault, 'ledger' | 'reader'>,
  by: Attribution,
  signOn: string,
  isOver: (role: RoleGrantRow) => boolean,
): Promise<number> {
  let count = 0;
  for (let after = ''; ; ) {
    const roles = await rolesGivenBy(reader, signOn, after, ENDED_AT_ONCE);
    const last = roles.at(-1);
    if (last === undefined) return count;
    after = last.id;
    const over = roles.filter(isOver);
    if (over.length === 0) continue;
    const locks = [signOn, ...over.map(({ id }) => id)];
    const draft = { ...by, action: 'sign-on.emptied', subject: signOn, locks };
    const recorded = await ledger.record(draft, async (facts) => {
      let ended = 0;
      for (const { id } of over)
        if ((await facts.takeAway('role_grants', id, { state: 'ended' })) !== undefined) ended++;
      return ended;
    });
    if (isRefusal(recorded)) return count;
    count += recorded.value;
  }
}
