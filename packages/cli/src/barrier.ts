import type { Barrier } from '@keyhold/protocol/operations/shapes';

/**
 * The barrier in words.
 * @param done what holds everywhere now, e.g. "dead"
 */
export function describeBarrier(done: string, barrier: Barrier): string {
  const { acknowledged, waitedOut, unconfirmed, elapsedMs } = barrier;
  const parts = [
    ...(acknowledged > 0 ? [`${verifiers(acknowledged)} acknowledged`] : []),
    ...(waitedOut > 0 ? [`${waitedOut === 1 ? '1 lease was' : `${waitedOut} leases were`} waited out`] : []),
  ];
  const how = parts.length === 0 ? 'no verifier held a lease' : `${parts.join(', ')} in ${duration(elapsedMs)}`;
  if (unconfirmed === 0) return `${done} everywhere: ${how}`;
  return `NOT confirmed everywhere: ${verifiers(unconfirmed)} may go on serving stale (afterLease: serve); ${how}`;
}

function verifiers(count: number): string {
  return count === 1 ? '1 verifier' : `${count} verifiers`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
