import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { formatUtc, parseUtc } from './civil-time.ts';

it('writes and reads every moment from 1970 to 9999 as the language does', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (ms) => {
      assert.equal(formatUtc(ms), new Date(ms).toISOString());
      assert.equal(parseUtc(formatUtc(ms)), ms);
    }),
    { numRuns: 2000 },
  );
});

it('knows every day of 400 years', () => {
  for (let ms = Date.UTC(1969, 11, 31); ms < Date.UTC(2370, 0, 2); ms += 86_400_000) {
    assert.equal(parseUtc(`${new Date(ms).toISOString().slice(0, 10)}T00:00:00Z`), ms);
  }
});

it('refuses days, hours and forms that there are not', () => {
  assert.equal(parseUtc('2024-02-29T23:59:59.5Z'), Date.UTC(2024, 1, 29, 23, 59, 59, 500));
  for (const text of [
    '2023-02-29T00:00:00Z',
    '2100-02-29T00:00:00Z',
    '2024-04-31T00:00:00Z',
    '2024-00-01T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-01-00T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01T00:00:60Z',
    '2024-01-01T00:00:00',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00.0000000001Z',
    '2024-01-01T00:00:00+00:00',
    '24-01-01T00:00:00Z',
    ' 2024-01-01T00:00:00Z',
    '2024-01-01T00:00:00Z\n',
  ]) {
    assert.equal(parseUtc(text), null, text);
  }
});
