import { UsageReport } from '@keyhold/protocol/verification-messages';
import { Compile } from 'typebox/compile';
import type { Clock } from '../clock.ts';
import type { Scratch } from '../database/scratch.ts';
import { addDenials, addUses, keepQuotas } from '../keys/usage.store.ts';

const MINUTE_MS = 60_000;

const reports = Compile(UsageReport);

/** Writes down what a verifier counted. Denials of strangers are added up by the minute. */
export async function takeReport(
  { scratch, clock, tokensUsed }: { scratch: Scratch; clock: Clock; tokensUsed: (ids: readonly string[]) => void },
  payload: unknown,
): Promise<void> {
  if (!reports.Check(payload)) throw new TypeError('not a usage report');
  tokensUsed(payload.tokens);
  if (payload.credentials.length + payload.quotas.length + payload.denials.length === 0) return;
  const now = clock.wall();
  await scratch.write(async (tables) => {
    await addUses(tables, payload.credentials);
    await keepQuotas(tables, payload.quotas);
    await addDenials(tables, now - (now % MINUTE_MS), payload.denials);
  });
}
