import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Leaf } from '@keyhold/protocol/leaf';
import { writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import * as operations from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';
import { prunedUpTo } from '../ledger/pruned.store.ts';
import type { Vault } from '../vault/vault.ts';
import type { TransparencyLog } from './log.ts';
import { checkedLogKeys, noteKeyOf } from './open-log-keys.ts';
import { leafAt, receiptFor } from './prove.ts';
import type { WitnessState, Witnesses } from './witnesses.ts';

export interface LogRoutes {
  readonly log: TransparencyLog;
  readonly witnesses: Witnesses;
  readonly vault: Vault;
}

/** The log itself, and receipts. `permit` says whether the caller may read all of it. */
export function mountLog<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permit: (principal: P) => Refusal | null,
  { log, witnesses, vault }: LogRoutes,
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
        first: (await prunedUpTo(vault.reader)).upTo + 1,
        sequence: vault.ledger.head.sequence,
        size: published?.size ?? 0,
        checkpoint: published === null ? null : witnesses.cosigned(published).note,
        witnesses: witnesses.show().map(showWitness),
        witnessedSize: witnesses.witnessed?.size ?? null,
        quorumMet: witnesses.quorumMet,
      },
    };
  });

  mount(app, gate, operations.getReceipt, async ({ principal, params: { sequence }, query: { level } }) => {
    const denied = permit(principal);
    const leaf = sequence > vault.ledger.head.sequence ? null : await leafAt(vault.reader, sequence);
    // Whoever did something can prove it, also where he may not read the log.
    const isOwn = leaf !== null && (JSON.parse(leaf) as Leaf).actor === principal.id;
    if (denied !== null && !isOwn) return denied;
    if (leaf === null) return await refuseMissing(vault, sequence);
    const checkpoint = await witnesses.covering(sequence, level);
    if (isRefusal(checkpoint)) return checkpoint;
    const receipt = await log.unlessMissing(receiptFor(log, leaf, sequence, checkpoint));
    return isRefusal(receipt) ? receipt : { body: { sequence, receipt } };
  });
}

async function refuseMissing({ reader }: Vault, sequence: number): Promise<Refusal> {
  const isGivenUp = sequence <= (await prunedUpTo(reader)).upTo;
  const detail = isGivenUp ? `Entry ${sequence} was given up; its hash alone is kept.` : 'The log has no such entry.';
  return refuse('ENTRY_NOT_FOUND', detail, 'sequence');
}

function showWitness({ lastSeenMs, ...witness }: WitnessState) {
  return { ...witness, lastSeenAt: lastSeenMs === null ? null : new Date(lastSeenMs).toISOString() };
}
