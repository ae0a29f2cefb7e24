import type { KeyObject } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Factor } from '@keyhold/protocol/operations/factors';
import { stepOf } from '@keyhold/verifier/totp';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import type { ConsumerFactorRow } from '../database/factor-rows.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { openSharedSecret } from '../vault/open-shared-secret.ts';
import type { Vault } from '../vault/vault.ts';
import { notUnconfirmed, showFactor } from './factor.ts';
import type { PlacedFactor } from './factors.store.ts';
import { factorEntry, noFactor } from './open-factor.ts';

/** Confirms that an app has the secret: from now on its codes count, this one and those before it excepted. */
export async function confirmFactor(
  { ledger, clock, propagation }: ChangeContext,
  vault: Vault,
  caller: Caller,
  placed: PlacedFactor,
  otp: string,
): Promise<{ factor: Factor; sequence: number } | Refusal> {
  if (placed.state !== 'unconfirmed' || placed.kind !== 'totp') return notUnconfirmed(placed);
  const key = await openSecret(vault, placed);
  if (isRefusal(key)) return key;
  const names = { project: placed.project_slug, environment: placed.environment_name };
  const recorded = await ledger.record(
    { ...factorEntry(caller, placed), action: 'factor.confirmed' },
    async (facts) => {
      const row = await facts.find('consumer_factors', placed.id);
      if (row === undefined) return noFactor(placed.id);
      if (row.state !== 'unconfirmed') return notUnconfirmed(row);
      if (row.algorithm === 'passkey') return notUnconfirmed(row);
      const step = stepOf(key, row.algorithm, otp, clock.wall());
      if (step === null)
        return refuse('CODE_WRONG', "Let the app show a new code; check the clock of the app's device.", '/otp');
      return showFactor(await facts.update('consumer_factors', row, { state: 'active', used_step: step }), names);
    },
  );
  if (isRefusal(recorded)) return recorded;
  await propagation.given(recorded.sequence);
  return { factor: recorded.value, sequence: recorded.sequence };
}

async function openSecret(vault: Vault, { id }: PlacedFactor): Promise<KeyObject | Refusal> {
  const [checked] = await readCheckedRows(vault.reader, ['consumer_factors'], [id]);
  if (checked === undefined) return noFactor(id);
  if ('tampered' in checked) {
    vault.tampered(id);
    return refuse('ROW_TAMPERED', `The factor ${id} was tampered with.`);
  }
  return await openSharedSecret(vault, 'factor.secret', checked.row as ConsumerFactorRow, 'this factor');
}
