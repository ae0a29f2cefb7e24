import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { fromBase64, toBase64 } from './base64.ts';

it('reads what it wrote, as Node writes it too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(toBase64(bytes), Buffer.from(bytes).toString('base64'));
      assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
    }),
  );
});

it('takes no other way of writing the same bytes, and nothing else', () => {
  const digits = fc.constantFrom(...'AQgwEz09+/=-_ \n\u00e9');
  fc.assert(
    fc.property(
      fc.array(digits, { maxLength: 12 }).map((all) => all.join('')),
      (text) => {
        const bytes = Buffer.from(text, 'base64');
        const isTheOne = bytes.toString('base64') === text;
        assert.deepEqual(fromBase64(text), isTheOne ? new Uint8Array(bytes) : null, JSON.stringify(text));
      },
    ),
    { numRuns: 20_000 },
  );
  for (const text of ['A', 'AA', 'AA=', 'AB==', 'AAB=', 'AA==AA==', '====', 'AAAA\n', ' AAAA', 'AA\u0000A']) {
    assert.equal(fromBase64(text), null, JSON.stringify(text));
  }
  const long = Buffer.alloc(3_000_000, 7).toString('base64');
  assert.equal(fromBase64(long)?.length, 3_000_000);
  assert.equal(fromBase64(`${long}!`), null);
});
