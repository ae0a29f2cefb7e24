import { isRefusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LivedTime } from '../ledger/lived-time.ts';
import { reachesBackTo } from '../ledger/pruned.store.ts';
import { stateAt } from './key.ts';
import { listLapseRules, listUnusedKeys } from './unused-keys.store.ts';

const DAY_MS = 86_400_000;
/** Keys of one run and environment: the next run takes the rest. */
const MAX_AT_ONCE = 200;

interface Lapsing {
  readonly ledger: Ledger;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  /** What keys go unused by: a clock that is ahead makes none unused. */
  readonly livedTime: Pick<LivedTime, 'now'>;
}

/**
 * Suspends keys that nobody used for as long as their environment's rules allow. A key that was issued, changed or
 * resumed meanwhile counts as used then, and so does one that began; what has ended lapses no more. One that lapsed can
 * be resumed. Where entries were given up of the time that counts, nobody knows what changed then, and nothing lapses.
 * @returns how many lapsed
 */
export async function lapseUnusedKeys({ ledger, reader, clock, livedTime }: Lapsing): Promise<number> {
  let count = 0;
  for (const { environment_id, project_id, unused_days } of await listLapseRules(reader)) {
    const nowMs = clock.wall();
    const sinceMs = livedTime.now() - (unused_days ?? 0) * DAY_MS;
    const unused = await listUnusedKeys(reader, environment_id, { sinceMs, nowMs }, MAX_AT_ONCE);
    // Asked afterwards: what is still there now was there when the keys were listed.
    if (!(await reachesBackTo(reader, sinceMs))) continue;
    for (const id of unused) {
      const draft = {
        actor: 'system',
        action: 'key.lapsed',
        subject: id,
        project: project_id,
        environment: environment_id,
        code: `unused-${unused_days}-days`,
        locks: [id],
      };
      const recorded = await ledger.record(draft, async (facts) => {
        const key = await facts.find('keys', id);
        if (key === undefined || stateAt(key, nowMs) !== 'active')
          return refuse('ILLEGAL_TRANSITION', 'It is not active any more.');
        return await facts.update('keys', key, { state: 'suspended', reason: 'unused' });
      });
      if (!isRefusal(recorded)) count++;
    }
  }
  return count;
}
