import {
  EnvelopeBroken,
  NONCE_BYTES,
  WRAPPED_BYTES,
  type WrappingKey,
  commitmentTo,
  keyFrom,
  open,
  unwrapKey,
} from '@keyhold/verifier/open-envelope';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { OTHER_PLACES, PLACE } from '../testing/places.ts';
import { sealUnderTwoKeys } from '../testing/two-key-ciphertext.ts';
import { associatedData } from '@keyhold/protocol/sealed-field';
import { newKeyBytes, wrapKey } from './wrapped-key.ts';

const HEADER_BYTES = 6;
const COMMITTED = HEADER_BYTES + 32;
const newWrappingKey = (changes: Partial<WrappingKey> = {}): WrappingKey => ({
  ...{ id: 'vkey_1', version: 7, key: keyFrom(newKeyBytes()) },
  ...changes,
});

describe('a wrapped key', () => {
  const under = newWrappingKey();
  const key = newKeyBytes();
  const wrapped = wrapKey(under, key, PLACE);
  const refused = (bytes: Uint8Array, by = under, place = PLACE) =>
    assert.throws(() => unwrapKey(by, bytes, place), EnvelopeBroken);

  it('opens in its place under its key, and looks another way each time', () => {
    assert.ok(unwrapKey(under, wrapped, PLACE).equals(key));
    assert.equal(wrapped.length, WRAPPED_BYTES);
    const again = wrapKey(under, key, PLACE);
    assert.ok(!again.subarray(COMMITTED).equals(wrapped.subarray(COMMITTED)));
    assert.ok(!wrapped.includes(key));
  });

  it('is refused with any one bit flipped', () => {
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      const flipped = Buffer.from(wrapped);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      refused(flipped);
    }
  });

  it('is refused when cut to any length, or with a byte behind or before it', () => {
    for (let length = 0; length < wrapped.length; length++) refused(wrapped.subarray(0, length));
    refused(Buffer.concat([wrapped, Buffer.alloc(1)]));
    refused(Buffer.concat([Buffer.alloc(1), wrapped]));
  });

  it('is refused in every other place', () => {
    assert.ok(OTHER_PLACES.length > 15);
    for (const place of OTHER_PLACES) refused(wrapped, under, place);
  });

  it('is refused under another key, id or version of the wrapping key', () => {
    refused(wrapped, newWrappingKey());
    refused(wrapped, { ...under, id: 'vkey_2' });
    for (const version of [0, 6, 8, 7 + 2 ** 16]) refused(wrapped, { ...under, version });
  });

  it('is refused as a layer of data: the layers are told apart', () => {
    const associated = associatedData('data', PLACE, { commitment: commitmentTo(key).toString('hex') });
    assert.equal(open(under.key, wrapped.subarray(COMMITTED), associated), null);
  });

  it('is refused with the commitment of another key, even when it was made to open under two', () => {
    const other = wrapKey(under, newKeyBytes(), PLACE);
    refused(
      Buffer.concat([
        wrapped.subarray(0, HEADER_BYTES),
        other.subarray(HEADER_BYTES, COMMITTED),
        wrapped.subarray(COMMITTED),
      ]),
    );

    const twin = newWrappingKey();
    const header = wrapped.subarray(0, HEADER_BYTES);
    const commitment = commitmentTo(key);
    const bound = { key: under.id, header: header.toString('hex'), commitment: commitment.toString('hex') };
    const associated = associatedData('key', PLACE, bound);
    const made = sealUnderTwoKeys([under.key, twin.key], associated, randomBytes(NONCE_BYTES), randomBytes(16));
    const opened = [under, twin].map((by) => open(by.key, made, associated));
    assert.ok(
      opened.every((plaintext) => plaintext !== null),
      'AES-GCM opens it under both keys',
    );
    const committed = { message: /not the one that was committed to/ };
    for (const by of [under, twin]) {
      assert.throws(() => unwrapKey(by, Buffer.concat([header, commitment, made]), PLACE), committed);
    }
  });

  it('has a commitment that is neither the key nor a plain digest of it', () => {
    const commitment = commitmentTo(key);
    assert.ok(!commitment.equals(key));
    assert.ok(!commitment.equals(createHash('sha256').update(key).digest()));
    assert.ok(commitmentTo(key).equals(commitment));
  });

  it('leaves no key behind where it was handed over', () => {
    const bytes = newKeyBytes();
    keyFrom(bytes);
    assert.ok(bytes.equals(Buffer.alloc(32)));
  });

  it('tells in its error where it lies, and nothing of the key', () => {
    const text = (() => {
      try {
        unwrapKey(newWrappingKey(), wrapped, PLACE);
      } catch (error) {
        return `${(error as Error).message}${JSON.stringify(error)}`;
      }
      return '';
    })();
    assert.match(text, /secret\.value sec_1 version 1/);
    assert.ok(!text.includes(wrapped.toString('hex').slice(-40)));
  });
});
