import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Rules } from '@keyhold/protocol/operations/rules';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import { attributionWith, type Caller, type ChangeContext } from '../access/change-context.ts';
import type { EnvironmentRow } from '../database/schema.ts';
import { loosensRules, TIGHTENED_MEANWHILE } from './loosening.ts';
import { showRules } from './project.ts';
import { findRules } from './projects.store.ts';

/**
 * Sets what keys of an environment have to be like. They hold for keys that are there already, from the next request.
 * @param mayLoosen false: whoever asks waited for nobody, for it did not loosen when he asked
 */
export async function setRules(
  { ledger, random, clock, propagation }: ChangeContext,
  caller: Caller,
  environment: EnvironmentRow,
  rules: Rules,
  mayLoosen: boolean,
): Promise<{ rules: Rules; barrier: Barrier; sequence: number } | Refusal> {
  const { withdrawals, withoutNetworks, unusedDays, secondFactor } = rules;
  const columns = {
    withdrawals: JSON.stringify(withdrawals),
    without_networks: withoutNetworks === null ? null : JSON.stringify(withoutNetworks),
    unused_days: unusedDays,
    second_factor: JSON.stringify(secondFactor),
  };
  const draft = {
    ...attributionWith(caller, { withdrawals, withoutNetworks, unusedDays, secondFactor }),
    action: 'rules.set',
    subject: environment.id,
    project: environment.project_id,
    environment: environment.id,
    locks: [environment.id],
  };
  const recorded = await ledger.record(draft, async (facts) => {
    const found = await findRules(facts.db, environment.id);
    if (found !== undefined) {
      const checked = await facts.find('key_rules', found.id);
      if (!mayLoosen && loosensRules(showRules(checked), rules)) return TIGHTENED_MEANWHILE;
      return await facts.update('key_rules', checked ?? found, columns);
    }
    const { id: environment_id, project_id } = environment;
    const own = { id: random.newId('keyRules'), project_id, environment_id, created_at: clock.wall() };
    return await facts.insert('key_rules', { ...own, ...columns });
  });
  if (isRefusal(recorded)) return recorded;
  const sequence = Math.max(recorded.sequence, ledger.head.sequence);
  const barrier = await propagation.taken(sequence, new Set([environment.id]));
  return { rules: showRules(recorded.value), barrier, sequence: recorded.sequence };
}
