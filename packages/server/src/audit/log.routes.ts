import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Leaf } from '@keyhold/protocol/leaf';
import { toBase64 } from '@keyhold/protocol/log/base64';
import { writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import * as operations from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';
import { prunedUpTo } from '../ledger/pruned.store.ts';
import type { Vault } from '../vault/vault.ts';
import type { TransparencyLog } from './log.ts';
import { checkedLogKeys, noteKeyOf } from './open-log-keys.ts';
import { leafAt, proveConsistency, proveInclusion, proveRange, receiptFor } from './prove.ts';

const NO_ENTRY = refuse('ENTRY_NOT_FOUND', 'The log has no such entry.', 'sequence');

/** The log itself, and proofs of what is in it. `permit` says whether the caller may read all of it. */
export function mountLog<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permit: (principal: P) => Refusal | null,
  { log, vault }: { readonly log: TransparencyLog; readonly vault: Vault },
): void {
  mount(app, gate, operations.getLog, async ({ principal }) => {
    const denied = permit(principal);
    if (denied !== null) return denied;
    const keys = await checkedLogKeys(vault, log.origin);
    if (isRefusal(keys)) return keys;
    const { origin, published } = log;
    return {
      body: {
        origin,
        keys: keys.map((row) => writeVerifierKey(noteKeyOf(row))),
        first: (await prunedUpTo(vault.reader)) + 1,
        sequence: vault.ledger.head.sequence,
        size: published?.size ?? 0,
        checkpoint: published?.note ?? null,
      },
    };
  });

  mount(app, gate, operations.getReceipt, async ({ principal, params: { sequence } }) => {
    const denied = permit(principal);
    const leaf = sequence > vault.ledger.head.sequence ? null : await leafAt(vault.reader, sequence);
    // Whoever did something can prove it, also where he may not read the log.
    const isOwn = leaf !== null && (JSON.parse(leaf) as Leaf).actor === principal.id;
    if (denied !== null && !isOwn) return denied;
    if (leaf === null) return NO_ENTRY;
    const checkpoint = await log.covering(sequence);
    if (isRefusal(checkpoint)) return checkpoint;
    const receipt = await receiptFor(log, leaf, sequence, checkpoint);
    return isRefusal(receipt) ? receipt : { body: { sequence, receipt } };
  });

  mount(app, gate, operations.proveInclusion, async ({ principal, query }) => {
    const denied = permit(principal);
    if (denied !== null) return denied;
    const size = query.size ?? log.published?.size ?? 0;
    if (query.sequence > size || size > vault.ledger.head.sequence) return NO_ENTRY;
    const index = query.sequence - 1;
    const { leafHash, root, proof } = await proveInclusion(log.tiles, index, size);
    return { body: { index, size, leafHash: toBase64(leafHash), root: toBase64(root), proof: proof.map(toBase64) } };
  });

  mount(app, gate, operations.proveRange, async ({ principal, query: { from, to } }) => {
    const denied = permit(principal);
    if (denied !== null) return denied;
    if (from > to || to > vault.ledger.head.sequence) return NO_ENTRY;
    const checkpoint = await log.covering(to);
    if (isRefusal(checkpoint)) return checkpoint;
    const { size, note } = checkpoint;
    const { before, after } = await proveRange(log.tiles, { from, to, size });
    const [left, right] = [before.map(toBase64), after.map(toBase64)];
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
      const proven = await proveConsistency(log.tiles, from, to);
      const [fromRoot, toRoot] = [toBase64(proven.from), toBase64(proven.to)];
      return { body: { from, to, fromRoot, toRoot, proof: proven.proof.map(toBase64) } };
    },
  );
}
