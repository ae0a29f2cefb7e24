import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { randomBytes } from 'node:crypto';
import { combine, split } from 'shamir-secret-sharing';
import type { ShamirParameters } from './seal.ts';
import { SecretBytes } from './secret-bytes.ts';
import { readShare, type Share, shareDigest, writeShare } from './share.ts';

/** Splits a seal's key; the shares are shown once, each to whom it was meant for. */
export async function makeShares(
  keyBytes: Uint8Array,
  shares: number,
  threshold: number,
): Promise<{ readonly parameters: ShamirParameters; readonly texts: readonly string[] }> {
  const set = randomBytes(8).toString('hex');
  const parts = await split(plainView(keyBytes), shares, threshold);
  const made: Share[] = parts.map((bytes, i) => ({ set, number: i + 1, bytes: new SecretBytes(movedFrom(bytes)) }));
  const digests = made.map(shareDigest);
  const texts = made.map(writeShare);
  for (const { bytes } of made) bytes.wipe();
  return { parameters: { kind: 'shamir', shares, threshold, set, digests }, texts };
}

/** Why a share is not one of this seal's, or the share. */
export function checkShare(parameters: ShamirParameters, text: string): Share | string {
  const share = readShare(text);
  if (share === null) return 'It is not a share, or was mistyped.';
  if (share.set !== parameters.set) return `Share ${share.number} belongs to another set of shares.`;
  if (parameters.digests[share.number - 1] !== shareDigest(share)) return `Share ${share.number} is wrong.`;
  return share;
}

/** The seal's key, of enough shares; the caller's to wipe. */
export async function combineShares(shares: readonly Share[]): Promise<Buffer> {
  return movedFrom(await combine(shares.map(({ bytes }) => plainView(bytes.read()))));
}

/** The same memory, since the library takes no Buffer, and a copy would be one more to wipe. */
function plainView({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Copied and wiped: V8 holds so small an array on its own heap, and leaves the bytes there once `buffer` is asked for. */
function movedFrom(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  bytes.fill(0);
  return copy;
}

/** A share of this set that was not given yet, or why it is none. */
export function readNewShare(parameters: ShamirParameters, given: readonly Share[], text: string): Share | Refusal {
  const share = checkShare(parameters, text);
  if (typeof share === 'string') return refuse('UNSEAL_REFUSED', share, '/share');
  if (given.some(({ number }) => number === share.number)) {
    share.bytes.wipe();
    return refuse('UNSEAL_REFUSED', `Share ${share.number} was given already.`, '/share');
  }
  return share;
}
