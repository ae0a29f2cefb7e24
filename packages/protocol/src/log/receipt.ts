import { fromBase64, toBase64 } from './base64.ts';
import { HASH_BYTES } from './merkle.ts';

/** A proof file for one entry (c2sp.org/tlog-proof@v1). */
export interface Receipt {
  /** Whatever goes with it; here the entry itself. It is worth what the proof makes it worth, and nothing more. */
  readonly extra: Uint8Array | null;
  /** Of the entry in the log, from 0 on: one less than its sequence. */
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  /** A signed note. */
  readonly checkpoint: string;
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A tree with more levels than this can't be. */
const MAX_HASHES = 63;

export function writeReceipt({ extra, index, proof, checkpoint }: Receipt): string {
  const lines = [
    FIRST_LINE,
    ...(extra === null ? [] : [`extra ${toBase64(extra)}`]),
    `index ${index}`,
    ...proof.map(toBase64),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Null where it is no receipt. */
export function readReceipt(text: string): Receipt | null {
  const split = text.indexOf('\n\n');
  if (split < 0) return null;
  const [first, ...lines] = text.slice(0, split).split('\n');
  if (first !== FIRST_LINE) return null;
  const extra = lines[0]?.startsWith('extra ') === true ? fromBase64((lines.shift() as string).slice(6)) : undefined;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1];
  const proof = lines.map(fromBase64);
  if (extra === null || index === undefined || proof.length > MAX_HASHES) return null;
  if (!Number.isSafeInteger(Number(index)) || !proof.every((hash) => hash?.length === HASH_BYTES)) return null;
  const checkpoint = text.slice(split + 2);
  return { extra: extra ?? null, index: Number(index), proof: proof as Uint8Array[], checkpoint };
}
