import type { AckLevel } from '@keyhold/protocol/acknowledgement';
import { isRefusal } from '@keyhold/protocol/errors';
import type { Clock } from '../clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TransparencyLog } from './log.ts';
import type { Witnesses } from './witnesses.ts';

const PATIENCE_MS = 10_000;

interface Acknowledging {
  readonly log: TransparencyLog;
  readonly witnesses: Witnesses;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/**
 * Waits, 10 seconds at most, until an entry has the level that is asked for.
 * @returns the level that it has; the change is made, whichever that is
 */
export async function acknowledge(
  { log, witnesses, ledger, clock }: Acknowledging,
  sequence: number | undefined,
  level: AckLevel,
): Promise<AckLevel> {
  if (level === 'durable') return level;
  const size = sequence ?? ledger.head.sequence;
  const late = new AbortController();
  let reached: AckLevel = 'durable';
  const way = async () => {
    if (isRefusal(await log.covering(size))) return;
    reached = 'integrated';
    if (level === 'witnessed' && (await witnesses.until(size, late.signal))) reached = level;
  };
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(PATIENCE_MS, resolve);
  // Where the log can't be signed now, that is told by the level too.
  await Promise.race([way().catch(() => {}), over]);
  cancel();
  late.abort();
  return reached;
}
