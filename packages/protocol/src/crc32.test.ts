import assert from 'node:assert/strict';
import { it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { crc32Ascii } from './crc32.ts';

it('is the CRC-32 of zlib for any ASCII text and any part of it from its beginning', () => {
  const ascii = fc.string({ unit: 'binary-ascii', maxLength: 200 });
  fc.assert(
    fc.property(ascii, fc.nat(), (text, cut) => {
      const end = cut % (text.length + 1);
      assert.equal(crc32Ascii(text, end), crc32(text.slice(0, end)));
    }),
    { numRuns: 500 },
  );
});

it('gives the check value of the CRC catalogue', () => {
  assert.equal(crc32Ascii('123456789', 9), 0xcbf43926);
  assert.equal(crc32Ascii('', 0), 0);
});
