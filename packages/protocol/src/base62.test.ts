import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decodeBase62, encodeBase62 } from './base62.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

it('encodes any 32 bytes into exactly 43 digits, in the order of the numbers', () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const [x, y] = [encodeBase62(a, 43), encodeBase62(b, 43)];
      assert.match(x, /^[0-9A-Za-z]{43}$/);
      assert.equal(Math.sign(Buffer.compare(a, b)), x < y ? -1 : x > y ? 1 : 0);
    }),
  );
});

it('reads back every 32-bit number from 6 digits', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => {
      const bytes = Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
      const text = `x${encodeBase62(bytes, 6)}y`;
      assert.equal(text.length, 8);
      assert.equal(decodeBase62(text, 1, 7), value);
    }),
  );
});

it('pads with zeros to the width', () => {
  assert.equal(encodeBase62(Uint8Array.of(0), 6), '000000');
  assert.equal(encodeBase62(Uint8Array.of(61), 3), '00z');
  assert.equal(encodeBase62(new Uint8Array(), 2), '00');
  assert.equal(encodeBase62(new Uint8Array(32).fill(0xff), 43).length, 43);
});

it('refuses a number that does not fit into the width', () => {
  assert.equal(encodeBase62(Uint8Array.of(61), 1), 'z');
  assert.throws(() => encodeBase62(Uint8Array.of(62), 1), RangeError);
  assert.throws(() => encodeBase62(new Uint8Array(32).fill(0xff), 42), RangeError);
  assert.throws(() => encodeBase62(new Uint8Array(33).fill(0xff), 43), RangeError);
});

it('takes the 62 digits and refuses every other code unit', () => {
  for (let unit = 0; unit <= 0xffff; unit++) {
    const text = String.fromCharCode(unit);
    const value = ALPHABET.indexOf(text);
    assert.equal(decodeBase62(text, 0, 1), value);
  }
});

it('refuses a range that reaches past the text', () => {
  assert.equal(decodeBase62('00', 0, 3), -1);
});
