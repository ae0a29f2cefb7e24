import { generateKeyPairSync } from 'node:crypto';
import { writeAddCheckpoint } from '@keyhold/protocol/log/add-checkpoint';
import { type Checkpoint, writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from '@keyhold/protocol/log/merkle';
import { consistencyRanges } from '@keyhold/protocol/log/merkle-paths';
import { noteKey, SIGNATURE_TYPES, writeNote, writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import { partsOf, sha256, signCheckpoint } from '../note-crypto.ts';
import type { Cosigner } from '../witness/cosigner.ts';

/** A log in memory that says whatever a test wants it to. */
export class OwnLog {
  readonly origin: string;
  readonly keys: readonly Cosigner[];
  readonly #leaves: Uint8Array[] = [];

  constructor(origin: string, keys: readonly Cosigner[] = newLogKeys(origin)) {
    this.origin = origin;
    this.keys = keys;
  }

  get size(): number {
    return this.#leaves.length;
  }

  get verifierKeys(): string[] {
    return this.keys.map(({ note }) => writeVerifierKey(note));
  }

  /** Appends entries that say this. */
  grow(count: number, say = 'entry'): this {
    for (let i = 0; i < count; i++) this.#leaves.push(leafHash(sha256, Buffer.from(`${say} ${this.size}`)));
    return this;
  }

  /** Another log under the same keys, with the first `size` entries of this one. */
  fork(size: number): OwnLog {
    const other = new OwnLog(this.origin, this.keys);
    other.#leaves.push(...this.#leaves.slice(0, size));
    return other;
  }

  checkpoint(size = this.size): Checkpoint {
    return { origin: this.origin, size, root: this.#hash(0, size) };
  }

  /** A signed note. */
  signed(size = this.size, atSeconds = 1_000, keys = this.keys): string {
    const checkpoint = this.checkpoint(size);
    const signatures = keys.map(({ note, privateKey }) => signCheckpoint(note, privateKey, checkpoint, atSeconds));
    return writeNote({ text: writeCheckpoint(checkpoint), signatures });
  }

  consistency(from: number, to = this.size): Uint8Array[] {
    return from === 0 ? [] : consistencyRanges(from, to).map(({ start, end }) => this.#hash(start, end));
  }

  /** The body of add-checkpoint. */
  request(oldSize: number, size = this.size, atSeconds = 1_000): string {
    const proof = oldSize > size ? [] : this.consistency(oldSize, size);
    return writeAddCheckpoint({ oldSize, proof, checkpoint: this.signed(size, atSeconds) });
  }

  #hash(start: number, end: number): Uint8Array {
    return rootOf(sha256, appendLeaves(sha256, EMPTY_FRONTIER, this.#leaves.slice(start, end)));
  }
}

/** Both kinds that Keyhold's own log signs with. */
function newLogKeys(origin: string): Cosigner[] {
  return (['ed25519', 'ml-dsa-44'] as const).map((algorithm) => {
    const { privateKey } = generateKeyPairSync(algorithm as 'ed25519');
    const type = algorithm === 'ed25519' ? SIGNATURE_TYPES.ed25519 : SIGNATURE_TYPES.mlDsa44;
    return { note: noteKey(sha256, origin, type, partsOf(privateKey).publicKey), privateKey };
  });
}
