import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import { newestEntryAt } from './entries.store.ts';

/**
 * Wall time, but never ahead of the newest entry that there is now by more than this process has run: a clock that is
 * ahead makes nothing old. To be taken before a start enters anything.
 */
export async function takeLivedTime(db: Kysely<Database>, clock: Clock): Promise<() => number> {
  const newestMs = (await newestEntryAt(db)) ?? clock.wall();
  const fromMs = clock.monotonic();
  return () => Math.min(clock.wall(), newestMs + clock.monotonic() - fromMs);
}
