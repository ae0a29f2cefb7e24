import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Checkpoint } from '@keyhold/protocol/log/checkpoint';
import { type NoteKey, type NoteSignature, noteKey, SIGNATURE_TYPES } from '@keyhold/protocol/log/signed-note';
import { type LogAlgorithm, partsOf, sha256, signCheckpoint, signingKey } from '../note-crypto.ts';

/** A key that cosigns. */
export interface Cosigner {
  readonly note: NoteKey;
  readonly privateKey: KeyObject;
}

/** A cosigner's key as the state folder keeps it, in base64url. */
export interface StoredKey {
  readonly algorithm: LogAlgorithm;
  readonly seed: string;
  readonly publicKey: string;
}

/** "Witnesses SHOULD use ML-DSA-44 cosignatures" (tlog-witness); Ed25519 is for those who can't check these yet. */
const TYPES = {
  'ml-dsa-44': SIGNATURE_TYPES.mlDsa44,
  ed25519: SIGNATURE_TYPES.ed25519Cosignature,
} as const satisfies Record<LogAlgorithm, number>;

export function newKeys(): StoredKey[] {
  return (Object.keys(TYPES) as LogAlgorithm[]).map((algorithm) => {
    const { seed, publicKey } = partsOf(generateKeyPairSync(algorithm as 'ed25519').privateKey);
    return { algorithm, seed: seed.toString('base64url'), publicKey: publicKey.toString('base64url') };
  });
}

/** @throws where the key is none */
export function openKey(name: string, { algorithm, seed, publicKey }: StoredKey): Cosigner {
  const [own, others] = [Buffer.from(seed, 'base64url'), Buffer.from(publicKey, 'base64url')];
  const privateKey = signingKey(algorithm, own, others);
  // A copy: the bytes of a key are what its checks are remembered by.
  return { note: noteKey(sha256, name, TYPES[algorithm], new Uint8Array(others)), privateKey };
}

/** Each key's cosignature. INVARIANT: the time is never 0 ("the timestamp MUST NOT be zero"). */
export function cosign(
  cosigners: readonly Cosigner[],
  checkpoint: Checkpoint,
  atSeconds: number,
): readonly NoteSignature[] {
  if (!(atSeconds > 0)) throw new RangeError('this machine does not know what time it is');
  return cosigners.map(({ note, privateKey }) => signCheckpoint(note, privateKey, checkpoint, atSeconds));
}
