import { refuse } from '@keyhold/protocol/errors';
import { countUnder, findReplacedKeys, type ReplacedKey } from './rewrap.store.ts';
import type { Vault } from './vault.ts';

const PAGE = 100;

/**
 * States, once for each version of a key that was replaced, that no envelope lies under it any more; and again where one
 * was found under it since, which was prepared before: what the log says last holds.
 * @param left keys that envelopes were moved from just now
 */
export async function retireKeys(
  vault: Vault,
  left: ReadonlyMap<string, ReplacedKey>,
  stopped: () => boolean,
): Promise<void> {
  const again = new Map(left);
  for (let after = ''; !stopped(); ) {
    const replaced = await findReplacedKeys(vault.reader, after, PAGE);
    for (const key of replaced) {
      again.delete(key.id);
      await stateIfEmpty(vault, key);
    }
    const last = replaced.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  for (const key of again.values()) if (!stopped()) await stateIfEmpty(vault, key);
}

async function stateIfEmpty(vault: Vault, key: ReplacedKey): Promise<void> {
  if ((await countUnder(vault.reader, key)) === 0) await state(vault, key);
}

/** INVARIANT: counted in the change itself, so that the entry says what holds where it stands. */
async function state(vault: Vault, key: ReplacedKey): Promise<void> {
  const draft = {
    actor: 'system',
    action: 'vault-key.retired',
    subject: key.id,
    project: key.project_id,
    environment: key.environment_id,
    code: `version-${key.version}.rows-0`,
    evenWithoutChange: true as const,
  };
  await vault.ledger.record(draft, async (facts) =>
    (await countUnder(facts.db, key)) === 0 ? null : refuse('ATTEMPT_OVER', 'An envelope was added.'),
  );
}
