import { fromBase64, toBase64 } from '@keyhold/protocol/log/base64';
import { type Receipt, readReceipt, writeReceipt } from '@keyhold/protocol/log/receipt';
import { readNote, type SignedNote, writeNote } from '@keyhold/protocol/log/signed-note';
import type { Shown } from './shown.ts';

type Random = () => number;

/** The bytes with one bit of one byte turned. */
export function flip(bytes: Uint8Array, random: Random, at = Math.floor(random() * bytes.length)): Uint8Array {
  return new Uint8Array(bytes).with(at, (bytes[at] as number) ^ (1 << Math.floor(random() * 8)));
}

/** A checkpoint with each byte of its text flipped, one at a time. */
export function flippedTexts(note: Uint8Array, random: Random): Uint8Array[] {
  const { text } = read(note);
  return Array.from(Buffer.from(text), (_, at) => flip(note, random, at));
}

/** A checkpoint with each byte of one of its signatures flipped, or about `some`, key id and all, as it is before Base 64. */
export function flippedSignatures(note: Uint8Array, keyId: number, random: Random, some = Infinity): Uint8Array[] {
  const parsed = read(note);
  const which = parsed.signatures.findIndex((signature) => signature.keyId === keyId);
  const lines = writeNote(parsed)
    .slice(parsed.text.length + 1)
    .split('\n');
  const [dash, name, encoded] = (lines[which] as string).split(' ') as [string, string, string];
  const content = fromBase64(encoded) as Uint8Array;
  const flipped: Uint8Array[] = [];
  for (let at = 0; at < content.length; at++) {
    if (random() * content.length >= some) continue;
    const line = [dash, name, toBase64(flip(content, random, at))].join(' ');
    flipped.push(Buffer.from(`${parsed.text}\n${lines.with(which, line).join('\n')}`));
  }
  return flipped;
}

/** A receipt with one byte flipped in its entry, its index, its proof, or its checkpoint's text. */
export function flippedReceipts(bytes: Uint8Array, random: Random): Uint8Array[] {
  const receipt = receiptOf(bytes);
  const { extra, index, proof } = receipt;
  const changed: Partial<Receipt>[] = [
    { extra: flip(extra as Uint8Array, random) },
    { index: index ^ (1 << Math.floor(random() * 8)) },
    ...proof.map((hash, i) => ({ proof: proof.with(i, flip(hash, random)) })),
  ];
  const texts = flippedTexts(Buffer.from(receipt.checkpoint), random).filter(() => random() < 0.05);
  return [
    ...changed.map((part) => Buffer.from(writeReceipt({ ...receipt, ...part }))),
    ...texts.map((note) => withCheckpoint(receipt, note)),
  ];
}

/** A receipt with a byte flipped in one of its checkpoint's signatures, about `some` times. */
export function flippedReceiptSignatures(bytes: Uint8Array, keyId: number, random: Random, some: number): Uint8Array[] {
  const receipt = receiptOf(bytes);
  const notes = flippedSignatures(Buffer.from(receipt.checkpoint), keyId, random, some);
  return notes.map((note) => withCheckpoint(receipt, note));
}

function receiptOf(bytes: Uint8Array): Receipt {
  return readReceipt(Buffer.from(bytes).toString()) as Receipt;
}

/** A checkpoint may have a byte in it that is no character any more. */
function withCheckpoint(receipt: Receipt, note: Uint8Array): Uint8Array {
  return Buffer.from(writeReceipt({ ...receipt, checkpoint: Buffer.from(note).toString('latin1') }), 'latin1');
}

/** An inclusion or a consistency, with one byte of its proof flipped in each. */
export function flippedProofs<S extends Extract<Shown, { readonly proof: readonly Uint8Array[] }>>(
  shown: S,
  random: Random,
): S[] {
  return shown.proof.map((hash, i) => ({ ...shown, proof: shown.proof.with(i, flip(hash, random)) }));
}

function read(note: Uint8Array): SignedNote {
  return readNote(Buffer.from(note).toString()) as SignedNote;
}
