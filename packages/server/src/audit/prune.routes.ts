import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import type { Attributed } from '../ledger/entry.ts';
import { type Gate, mount } from '../http/mount.ts';
import { pruneLog } from './prune-log.ts';

/** What a higher floor decides: who may, and how an entry names him. */
interface PruneAccess<P> {
  readonly permit: (principal: P) => Refusal | null;
  readonly attribute: (principal: P, ip: string) => Attributed;
}

/** As far as the clock of whoever asks may be ahead of ours. */
const CLOCKS_APART_MS = 60_000;

/** Giving old entries up. */
export function mountPruning<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  { permit, attribute }: PruneAccess<P>,
  pruning: Parameters<typeof pruneLog>[0],
): void {
  mount(app, gate, operations.pruneLog, async ({ principal, body: { before }, ip, confirm }) => {
    const denied = permit(principal) ?? (await confirm());
    if (denied !== null) return denied;
    const beforeMs = Date.parse(before);
    if (Number.isNaN(beforeMs)) return refuse('INVALID_INPUT', 'There is no such time.', '/before');
    // 2030 typed for 2020 would give up all but the newest: nothing brings them back.
    if (beforeMs > pruning.livedTime.latest() + CLOCKS_APART_MS)
      return refuse('INVALID_INPUT', 'That time has not come: everything there is would be given up.', '/before');
    const pruned = await pruneLog(pruning, attribute(principal, ip), beforeMs);
    if (isRefusal(pruned)) return pruned;
    const { sequence, ...body } = pruned;
    return { body, sequence: sequence ?? undefined };
  });
}
