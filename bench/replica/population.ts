import { hash, randomBytes } from 'node:crypto';
import { crc32Ascii } from '@keyhold/protocol/crc32';
import type { FeedRecord } from '@keyhold/protocol/feed';

/**
 * Keys that have as little in common as a replica could meet: each has its own permissions, its own network and its
 * own limit, so that nothing is saved by sharing. Everything follows from a seed made at run time and an index, so
 * that secrets need not be kept to be used.
 */
export const ENVIRONMENT = 'bench/live';
const PREFIX = 'bench_live';
const ENVIRONMENT_ID = idOf('env', 1);
export const PROJECT_ID = idOf('proj', 1);
/** A customer with a few bots. */
const KEYS_PER_CONSUMER = 4;

const RESOURCES = ['prices', 'candles', 'trades', 'orders', 'balances', 'transfers', 'wallets', 'webhooks'];
const PERMISSIONS = RESOURCES.flatMap((resource) =>
  ['read', 'write', 'delete'].map((action) => `${resource}:${action}`),
);

const SEED = randomBytes(4).readUInt32LE();
const ALPHABET = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 'latin1');
const text = Buffer.alloc(PREFIX.length + 1 + 43 + 6);
text.write(`${PREFIX}_`, 'latin1');

/** The secret of key `index`: well-formed, and as flat in memory as one that came over the network. */
export function secretOf(index: number): string {
  const start = PREFIX.length + 1;
  let state = (SEED ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0;
  for (let i = 0; i < 43; i++) {
    // mulberry32: quick and even enough for what only has to be distinct.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    text[start + i] = ALPHABET[((mixed ^ (mixed >>> 14)) >>> 0) % 62] as number;
  }
  // Written by hand: the product's encoder works on big numbers, which is too slow for millions.
  let checksum = crc32Ascii(text.toString('latin1', 0, start + 43), start + 43);
  for (let i = start + 48; i >= start + 43; i--) {
    text[i] = ALPHABET[checksum % 62] as number;
    checksum = Math.floor(checksum / 62);
  }
  return text.toString('latin1');
}

/** A bijection of 24 bits, so that below 2^24 keys no two have the same permissions. Never 0 for an index ≥ 0. */
function permissionBitsOf(index: number): number {
  return Math.imul(index + 1, 0x9e3779b1) & 0xffffff;
}

/** One permission that key `index` has. */
export function permissionOf(index: number): string {
  return PERMISSIONS[31 - Math.clz32(permissionBitsOf(index))] as string;
}

/** First address of a /28 of key `index` alone, and one in it. */
function networkOf(index: number, host: number): string {
  return `10.${(index >>> 12) & 255}.${(index >>> 4) & 255}.${((index & 15) << 4) | host}`;
}

export function clientIpOf(index: number): string {
  return networkOf(index, 7);
}

/** An id as the replica has it. */
export function idOf(prefix: string, index: number): string {
  return `${prefix}_01900000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`;
}

/** What a replica has before its first key. */
export function environmentRecords(): FeedRecord[] {
  return [
    {
      kind: 'environment',
      id: ENVIRONMENT_ID,
      projectId: PROJECT_ID,
      project: 'bench',
      name: 'live',
      prefix: PREFIX,
      environmentKind: 'production',
      afterLease: 'refuse',
    },
  ];
}

export const LEASED_ENVIRONMENT = ENVIRONMENT_ID;

/** Key `index` with its credential, and with its consumer where it is that one's first. */
export function keyRecords(index: number): FeedRecord[] {
  const bits = permissionBitsOf(index);
  const consumer = idOf('cons', Math.floor(index / KEYS_PER_CONSUMER));
  const always = { state: 'active', startsAt: null, expiresAt: null } as const;
  const records: FeedRecord[] = [
    {
      ...always,
      kind: 'key',
      id: idOf('key', index),
      environment: ENVIRONMENT_ID,
      consumer,
      permissions: PERMISSIONS.filter((_, bit) => (bits >>> bit) & 1),
      networks: [`${networkOf(index, 0)}/28`],
      rateLimits: [{ name: 'requests', limit: 1_000_000 + index, windowSeconds: 60 }],
      quota: null,
      metadata: null,
    },
    {
      ...always,
      kind: 'credential',
      id: idOf('cred', index),
      key: idOf('key', index),
      digest: hash('sha256', secretOf(index), 'hex'),
    },
  ];
  return index % KEYS_PER_CONSUMER === 0 ? [{ kind: 'consumer', id: consumer, rateLimits: [] }, ...records] : records;
}
