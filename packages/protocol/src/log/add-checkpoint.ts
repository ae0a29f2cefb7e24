import { fromBase64, toBase64 } from './base64.ts';
import { HASH_BYTES, type Sha256 } from './merkle.ts';

/** What a log asks a witness to cosign (c2sp.org/tlog-witness, add-checkpoint). */
export interface AddCheckpoint {
  /** Size of what the witness cosigned last, as far as the log knows; 0 where it knows nothing. */
  readonly oldSize: number;
  /** Consistency from there; empty from 0. */
  readonly proof: readonly Uint8Array[];
  /** A signed note. */
  readonly checkpoint: string;
}

/** "The client MUST NOT send more than 63 consistency proof lines." */
const MAX_HASHES = 63;

/** Of the answer 409, which is the size of what the witness cosigned last. */
export const SIZE_MEDIA_TYPE = 'text/x.tlog.size';

export function writeAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${checkpoint}`;
}

/** Null where the body is none. */
export function readAddCheckpoint(body: string): AddCheckpoint | null {
  const split = body.indexOf('\n\n');
  if (split < 0) return null;
  const [first = '', ...lines] = body.slice(0, split).split('\n');
  const oldSize = first.startsWith('old ') ? readSize(first.slice(4)) : null;
  if (oldSize === null || lines.length > MAX_HASHES) return null;
  const proof = lines.map(fromBase64);
  if (!proof.every((hash) => hash?.length === HASH_BYTES)) return null;
  return { oldSize, proof: proof as Uint8Array[], checkpoint: body.slice(split + 2) };
}

/** A tree size in ASCII decimal without leading zeroes, or null. */
export function readSize(text: string): number | null {
  const size = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(size) ? size : null;
}

/** How the monitoring prefix names a log: SHA-256 of its origin, lower-case hex. */
export function originHash(sha256: Sha256, origin: string): string {
  return Array.from(sha256(new TextEncoder().encode(origin)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
