import { generateKeyPairSync, hash } from 'node:crypto';
import { type Leaf, writeLeaf } from '@keyhold/protocol/leaf';
import { toBase64 } from '@keyhold/protocol/log/base64';
import { writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from '@keyhold/protocol/log/merkle';
import { inclusionRanges, perfectNodes, type Range } from '@keyhold/protocol/log/merkle-paths';
import { writeReceipt } from '@keyhold/protocol/log/receipt';
import { noteKey, SIGNATURE_TYPES, writeNote, writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { partsOf, sha256, signCheckpoint } from '../note-crypto.ts';

/** A log made for a test, with keys made for it: its verifier keys, and files as the server gives them away. */
export interface SmallLog {
  readonly keys: string;
  receipt(sequence: number): string;
  /** Entries `from` to `to`, with their proof. */
  exported(from: number, to: number): string;
}

export interface SmallLogOptions {
  readonly origin?: string;
  /** What a leaf says instead of what it would; its hash, and the tree, are over that. */
  readonly change?: (leaf: Leaf) => Leaf;
}

export function smallLog(size: number, options: SmallLogOptions = {}): SmallLog {
  const { origin = 'keyhold/inst_test', change = (leaf) => leaf } = options;
  const leaves: string[] = [];
  for (let sequence = 1; sequence <= size; sequence++) {
    leaves.push(writeLeaf(change(leafOf(sequence, leaves.at(-1)))));
  }
  const hashes = leaves.map((leaf) => leafHash(sha256, Buffer.from(leaf)));
  const root = rootOf(sha256, appendLeaves(sha256, EMPTY_FRONTIER, hashes));
  const signers = (['ed25519', 'ml-dsa-44'] as const).map((algorithm) => {
    const { privateKey } = generateKeyPairSync(algorithm as 'ed25519');
    const type = algorithm === 'ed25519' ? SIGNATURE_TYPES.ed25519 : SIGNATURE_TYPES.mlDsa44;
    return { privateKey, key: noteKey(sha256, origin, type, new Uint8Array(partsOf(privateKey).publicKey)) };
  });
  const checkpoint = { origin, size, root };
  const signatures = signers.map(({ key, privateKey }) => signCheckpoint(key, privateKey, checkpoint, 1_760_000_000));
  const note = writeNote({ text: writeCheckpoint(checkpoint), signatures });
  const rangeHash = ({ start, end }: Range) =>
    rootOf(sha256, appendLeaves(sha256, EMPTY_FRONTIER, hashes.slice(start, end)));
  const nodes = (range: Range) =>
    perfectNodes(range).map(({ level, index }) =>
      toBase64(rangeHash({ start: index * 2 ** level, end: (index + 1) * 2 ** level })),
    );
  return {
    keys: signers.map(({ key }) => writeVerifierKey(key)).join('\n'),
    receipt: (sequence) =>
      writeReceipt({
        extra: Buffer.from(leaves[sequence - 1] as string),
        index: sequence - 1,
        proof: inclusionRanges(sequence - 1, size).map(rangeHash),
        checkpoint: note,
      }),
    exported: (from, to) => {
      const [before, after] = [nodes({ start: 0, end: from - 1 }), nodes({ start: to, end: size })];
      const header = { 'keyhold-log-export': 1, origin, from, to, size, before, after, checkpoint: note };
      const entries = leaves.slice(from - 1, to).map(entryOf);
      return `${[header, ...entries].map((line) => JSON.stringify(line)).join('\n')}\n`;
    },
  };
}

function leafOf(sequence: number, before: string | undefined): Leaf {
  return {
    v: 1,
    ...{ installation: 'inst_test', sequence, id: `entry_${sequence}`, at: '2026-01-01T00:00:00.000Z' },
    previous: before === undefined ? null : hash('sha256', before, 'hex'),
    ...{ actor: 'tok_test', action: 'key.issued', subject: `key_${sequence}`, changes: [], side: null },
  };
}

function entryOf(text: string): Entry {
  const { sequence, id, at, actor, action, subject, side } = JSON.parse(text) as Leaf;
  const shown = { sequence, id, at, actor, action, subject, leaf: text, hash: hash('sha256', text, 'hex') };
  return { ...shown, side: null, sideSalt: null, sideState: side === null ? 'none' : 'erased' };
}
