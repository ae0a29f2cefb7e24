import { createPublicKey } from 'node:crypto';
import { readReceipt } from '@keyhold/protocol/log/receipt';
import type { NoteKey } from '@keyhold/protocol/log/signed-note';
import { type LogCheckpoint, verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle.js';
import type { Judge, Shown } from './shown.ts';

/** `SubjectPublicKeyInfo` of Ed25519 up to the key itself (RFC 8410 §4). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** The checkpoint and Merkle code of `@sigstore/verify`, which knows no tiles and no consistency proofs. */
export function sigstoreJudge(key: NoteKey): Judge {
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key.publicKey]), format: 'der', type: 'spki' });
  const logId = Buffer.alloc(4);
  logId.writeUInt32BE(key.keyId);
  const logs = [{ logID: logId, publicKey, baseURL: key.name }] as unknown as Parameters<typeof verifyCheckpoint>[1];
  const open = (note: Uint8Array): LogCheckpoint => {
    const entry = { inclusionProof: { checkpoint: { envelope: Buffer.from(note).toString() } } };
    return verifyCheckpoint(entry as unknown as Parameters<typeof verifyCheckpoint>[0], logs);
  };
  const include = (note: Uint8Array, index: number, bytes: Uint8Array, proof: readonly Uint8Array[]) => {
    const inclusionProof = { logIndex: String(index), hashes: proof.map((hash) => Buffer.from(hash)) };
    const entry = { inclusionProof, canonicalizedBody: Buffer.from(bytes) };
    verifyMerkleInclusion(entry as unknown as Parameters<typeof verifyMerkleInclusion>[0], open(note));
  };
  const look = (shown: Shown): void => {
    if (shown.kind === 'checkpoint') open(shown.note);
    else if (shown.kind === 'inclusion') include(shown.note, shown.index, shown.bytes, shown.proof);
    else if (shown.kind === 'receipt') {
      const receipt = readReceipt(Buffer.from(shown.bytes).toString());
      if (receipt?.extra == null) throw new Error('no receipt');
      include(Buffer.from(receipt.checkpoint), receipt.index, receipt.extra, receipt.proof);
    }
  };
  return {
    name: '@sigstore/verify',
    kinds: ['checkpoint', 'inclusion', 'receipt'],
    judge: async (shown) =>
      shown.map((one) => {
        try {
          look(one);
          return null;
        } catch (error) {
          return (error as Error).message;
        }
      }),
  };
}
