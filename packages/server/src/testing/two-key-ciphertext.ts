import { createCipheriv, type KeyObject } from 'node:crypto';

/** GF(2^128) as GHASH has it (SP 800-38D §6.3): the first bit of a block is the highest here. */
const REDUCTION = 0xe1n << 120n;
const ONE = 1n << 127n;

const numberOf = (block: Uint8Array): bigint => BigInt(`0x${Buffer.from(block).toString('hex')}`);
const blockOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(32, '0'), 'hex');

function multiply(x: bigint, y: bigint): bigint {
  let [product, factor] = [0n, x];
  for (let bit = 127n; bit >= 0n; bit--) {
    if (((y >> bit) & 1n) === 1n) product ^= factor;
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ REDUCTION : factor >> 1n;
  }
  return product;
}

/** x^(2^128 - 2). */
function invert(x: bigint): bigint {
  let [inverse, square] = [ONE, x];
  for (let i = 1; i < 128; i++) {
    square = multiply(square, square);
    inverse = multiply(inverse, square);
  }
  return inverse;
}

function encryptBlock(key: KeyObject, block: Uint8Array): bigint {
  return numberOf(createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block));
}

/**
 * Nonce ‖ two blocks ‖ tag that AES-256-GCM opens under both keys, as nobody's mistake would: the first block is
 * random and the second solves the one linear equation that both tags agree on. GCM does not commit to its key.
 */
export function sealUnderTwoKeys(
  keys: readonly [KeyObject, KeyObject],
  associated: Uint8Array,
  nonce: Buffer,
  first: Buffer,
): Buffer {
  const lengths = Buffer.alloc(16);
  lengths.writeUInt32BE(associated.length * 8, 4);
  lengths.writeUInt32BE(2 * 16 * 8, 12);
  const padded = Buffer.concat([associated, Buffer.alloc((16 - (associated.length % 16)) % 16)]);
  const [one, other] = keys.map((key) => {
    const hashKey = encryptBlock(key, Buffer.alloc(16));
    const mask = encryptBlock(key, Buffer.concat([nonce, Buffer.from([0, 0, 0, 1])]));
    /** The tag where the second block is this. */
    const tagOf = (second: bigint) => {
      let hash = 0n;
      for (let i = 0; i < padded.length; i += 16) hash = multiply(hash ^ numberOf(padded.subarray(i, i + 16)), hashKey);
      for (const block of [numberOf(first), second, numberOf(lengths)]) hash = multiply(hash ^ block, hashKey);
      return hash ^ mask;
    };
    return { square: multiply(hashKey, hashKey), tagOf };
  }) as [Half, Half];
  const second = multiply(one.tagOf(0n) ^ other.tagOf(0n), invert(one.square ^ other.square));
  return Buffer.concat([nonce, first, blockOf(second), blockOf(one.tagOf(second))]);
}

interface Half {
  /** What the second block is multiplied by. */
  readonly square: bigint;
  readonly tagOf: (second: bigint) => bigint;
}
