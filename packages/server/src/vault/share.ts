import { hash } from 'node:crypto';
import { SecretBytes } from './secret-bytes.ts';

/**
 * A share as text: `khshare-<set>-<number>-<share, hex>-<check>`. The set tells foreign shares apart, the check
 * mistyped ones; neither tells anything of the key.
 */
const PATTERN = /^khshare-([0-9a-f]{16})-(\d{1,3})-([0-9a-f]{66})-([0-9a-f]{8})$/;

export interface Share {
  readonly set: string;
  /** 1-based, for people. */
  readonly number: number;
  /** The caller's to wipe. */
  readonly bytes: SecretBytes;
}

export function writeShare({ set, number, bytes }: Share): string {
  const body = `khshare-${set}-${number}-${bytes.read().toString('hex')}`;
  return `${body}-${checkOf(body)}`;
}

/** Null when it is not a share, or was mistyped. */
export function readShare(text: string): Share | null {
  const match = PATTERN.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const [whole, set = '', number, hex = '', check] = match;
  if (checkOf(whole.slice(0, -9)) !== check) return null;
  return { set, number: Number(number), bytes: new SecretBytes(Buffer.from(hex, 'hex')) };
}

export function shareDigest({ bytes }: Share): string {
  return hash('sha256', bytes.read(), 'hex');
}

function checkOf(body: string): string {
  return hash('sha256', `keyhold/v1/share ${body}`, 'hex').slice(0, 8);
}
