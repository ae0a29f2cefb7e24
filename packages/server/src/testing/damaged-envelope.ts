import { WRAPPED_BYTES } from '@keyhold/verifier/open-envelope';

/** Another envelope's wrapped key before this one's data. */
export function withWrappedKeyOf(own: string, foreign: string): string {
  return foreign.slice(0, WRAPPED_BYTES * 2) + own.slice(WRAPPED_BYTES * 2);
}

/** Flips in every part, cuts and additions. */
export function damaged(hex: string): Readonly<Record<string, string>> {
  const bytes = Buffer.from(hex, 'hex');
  const flipped = (at: number) => {
    const copy = Buffer.from(bytes);
    const index = at < 0 ? copy.length + at : at;
    copy[index] = (copy[index] as number) ^ 1;
    return copy.toString('hex');
  };
  const parts = { format: 0, suite: 1, version: 5, commitment: 6, nonce: 38, key: 50, tag: WRAPPED_BYTES - 1, end: -1 };
  return {
    ...Object.fromEntries(Object.entries(parts).map(([part, at]) => [`a bit of the ${part} flipped`, flipped(at)])),
    ...{ 'a byte cut off': hex.slice(0, -2), 'half cut off': hex.slice(0, hex.length / 2), emptied: '' },
    ...{ 'a byte more': `${hex}00`, 'no hex': `${hex.slice(0, -2)}zz` },
  };
}
