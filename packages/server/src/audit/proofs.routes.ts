import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { toBase64 } from '@keyhold/protocol/log/base64';
import * as operations from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';
import type { Vault } from '../vault/vault.ts';
import type { TransparencyLog } from './log.ts';
import { proveConsistency, proveInclusion, proveRange } from './prove.ts';
import type { Witnesses } from './witnesses.ts';

const NO_ENTRY = refuse('ENTRY_NOT_FOUND', 'The log has no such entry.', 'sequence');

/** Proofs of what is in the log, by numbers. */
export function mountProofs<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permit: (principal: P) => Refusal | null,
  { log, witnesses, vault }: { readonly log: TransparencyLog; readonly witnesses: Witnesses; readonly vault: Vault },
): void {
  mount(app, gate, operations.proveInclusion, async ({ principal, query }) => {
    const denied = permit(principal);
    if (denied !== null) return denied;
    const size = query.size ?? log.published?.size ?? 0;
    if (query.sequence > size || size > vault.ledger.head.sequence) return NO_ENTRY;
    const index = query.sequence - 1;
    const proven = await log.unlessMissing(proveInclusion(log.tiles, index, size));
    if (isRefusal(proven)) return proven;
    const { leafHash, root, proof } = proven;
    return { body: { index, size, leafHash: toBase64(leafHash), root: toBase64(root), proof: proof.map(toBase64) } };
  });

  mount(app, gate, operations.proveRange, async ({ principal, query: { from, to, level } }) => {
    const denied = permit(principal);
    if (denied !== null) return denied;
    if (from > to || to > vault.ledger.head.sequence) return NO_ENTRY;
    const checkpoint = await witnesses.covering(to, level);
    if (isRefusal(checkpoint)) return checkpoint;
    const { size, note } = checkpoint;
    const proven = await log.unlessMissing(proveRange(log.tiles, { from, to, size }));
    if (isRefusal(proven)) return proven;
    const [left, right] = [proven.before.map(toBase64), proven.after.map(toBase64)];
    return { body: { origin: log.origin, from, to, size, before: left, after: right, checkpoint: note } };
  });

  mount(
    app,
    gate,
    operations.proveConsistency,
    async ({ principal, query: { from, to = log.published?.size ?? 0 } }) => {
      const denied = permit(principal);
      if (denied !== null) return denied;
      if (from > to || to > vault.ledger.head.sequence) {
        return refuse(
          'ENTRY_NOT_FOUND',
          `The log goes up to ${vault.ledger.head.sequence}, and from is at most to.`,
          'to',
        );
      }
      const proven = await log.unlessMissing(proveConsistency(log.tiles, from, to));
      if (isRefusal(proven)) return proven;
      const [fromRoot, toRoot] = [toBase64(proven.from), toBase64(proven.to)];
      return { body: { from, to, fromRoot, toRoot, proof: proven.proof.map(toBase64) } };
    },
  );
}
