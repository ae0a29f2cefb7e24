import {
  EnvelopeBroken,
  WRAPPED_BYTES,
  type WrappingKey,
  keyFrom,
  openEnvelope,
} from '@keyhold/verifier/open-envelope';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { OTHER_PLACES, PLACE } from '../testing/places.ts';
import { rewrapEnvelope, sealEnvelope } from './envelope.ts';
import { newKeyBytes } from './wrapped-key.ts';

const newWrappingKey = (id = 'vkey_1', version = 1): WrappingKey => ({ id, version, key: keyFrom(newKeyBytes()) });

describe('an envelope', () => {
  const under = newWrappingKey();
  const plaintext = randomBytes(9);
  const envelope = sealEnvelope(under, plaintext, PLACE);
  const bytes = Buffer.from(envelope, 'hex');
  const refused = (text: string | Uint8Array, by = under, place = PLACE) =>
    assert.throws(
      () => openEnvelope(by, typeof text === 'string' ? text : Buffer.from(text).toString('hex'), place),
      EnvelopeBroken,
    );

  it('gives back what was put in, of any length, and is lower-case hex', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const sealed = sealEnvelope(under, data, PLACE);
        assert.match(sealed, /^[0-9a-f]+$/);
        assert.ok(openEnvelope(under, sealed, PLACE).equals(data));
      }),
    );
  });

  it('has a data key of its own: the same data looks another way throughout', () => {
    const again = Buffer.from(sealEnvelope(under, plaintext, PLACE), 'hex');
    assert.ok(!again.subarray(WRAPPED_BYTES).equals(bytes.subarray(WRAPPED_BYTES)));
    assert.ok(!again.subarray(6, 38).equals(bytes.subarray(6, 38)), 'another commitment is another key');
  });

  it('is refused with any one bit flipped', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      refused(flipped);
    }
  });

  it('is refused when cut to any length, with a byte more, and when it is no hex', () => {
    for (let length = 0; length < bytes.length; length++) refused(bytes.subarray(0, length));
    for (const more of [Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.concat([Buffer.alloc(1), bytes])])
      refused(more);
    for (const text of ['', 'zz', `${envelope.slice(0, -2)}zz`, ` ${envelope}`]) refused(text);
  });

  it('is refused in every other place', () => {
    for (const place of OTHER_PLACES) refused(envelope, under, place);
  });

  it('is refused under every other key', () => {
    refused(envelope, newWrappingKey());
    refused(envelope, { ...under, id: 'vkey_2' });
    refused(envelope, { ...under, version: 2 });
  });

  it('is refused when its layers are those of two envelopes of one place', () => {
    const other = Buffer.from(sealEnvelope(under, plaintext, PLACE), 'hex');
    refused(Buffer.concat([other.subarray(0, WRAPPED_BYTES), bytes.subarray(WRAPPED_BYTES)]));
    refused(Buffer.concat([bytes.subarray(0, WRAPPED_BYTES), other.subarray(WRAPPED_BYTES)]));
  });

  it('keeps its data when it is wrapped anew, and the old key opens it no more', () => {
    const next = newWrappingKey('vkey_2', 2);
    const rewrapped = rewrapEnvelope(under, next, envelope, PLACE);
    assert.ok(openEnvelope(next, rewrapped, PLACE).equals(plaintext));
    assert.equal(rewrapped.slice(2 * WRAPPED_BYTES), envelope.slice(2 * WRAPPED_BYTES), 'the data is not touched');
    refused(rewrapped);
    refused(envelope, next);
    for (const place of OTHER_PLACES) assert.throws(() => rewrapEnvelope(under, next, envelope, place), EnvelopeBroken);
    assert.throws(() => rewrapEnvelope(next, under, envelope, PLACE), EnvelopeBroken);
  });
});
