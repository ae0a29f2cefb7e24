import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import fc from 'fast-check';
import { findRounded, parseJsonBody } from './json-body.ts';

/** Where a number is found that does not come back; null where none is. */
function roundedIn(text: string): string | null {
  const found = roundedOf(text, '"cas":1,', '');
  // The text of such a body is kept whatever else is in it.
  assert.equal(roundedOf(text, `"cas":1${'0'.repeat(40)}e-4000,`, ',"more":[1E+1,1e-400]'), found, text);
  return found;
}

function roundedOf(text: string, before: string, after: string): string | null {
  const parsed = parseJsonBody(Buffer.from(`{${before}"data":${text}${after}}`));
  if (isRefusal(parsed)) throw new Error(parsed.detail);
  const body = parsed.value as { readonly data: unknown };
  assert.deepEqual(body.data, JSON.parse(text));
  return findRounded(body, 'data')?.field?.slice('/data'.length) ?? null;
}

/** All that RFC 8259 §6 lets a number be, most of them at the end of what a double holds. */
const SPELT = fc
  .oneof(
    fc.stringMatching(/^-?(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?(?:[eE][-+]?\d{1,4})?$/),
    fc.stringMatching(/^-?[1-9]\d{14,16}(?:\.\d)?$/),
    fc.stringMatching(/^(?:0|[1-9]\d{0,3})(?:\.\d{1,13})?[eE][-+]?[0-4]{2,4}$/),
  )
  .filter((text) => Number.isFinite(Number(text)));

describe('a number in a body', () => {
  it('that a double holds is no rounded one, however it is spelt', () => {
    const spelt = ['0', '-0', '-0.0e5', '1', '1.50', '1e3', '1E+3', '100e-2', '123456789012345', '9007199254740993e0'];
    assert.equal(roundedIn(`[${spelt.slice(0, -1).join()}]`), null);
    assert.equal(roundedIn(`[${spelt.at(-1)}]`), '/0');
    const same = ['12345678901234567000', '1.2345678901234567e19', '0.30000000000000000', '1e300', '5e-324', '1e-7'];
    assert.equal(roundedIn(`{"a": [ ${same.join(' ,\n')}]}`), null);
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => roundedIn(`[${x}]`) === null));
  });

  it('that no double holds is found, by the place where it lies', () => {
    const texts = {
      '{"a":12345678901234567890}': '/a',
      '{"a":{"b":[1,2.5,{"c": -1001234567890123456789}]}}': '/a/b/2/c',
      '[0.1234567890123456789]': '/0',
      '[1152921504606846977]': '/0',
      '[[1e-400]]': '/0/0',
      '[\n1.00000000000000000001]': '/0',
      '{"12345678901234567890":1,"b":[12345678901234567890e-5]}': '/b/0',
    };
    for (const [text, field] of Object.entries(texts)) assert.equal(roundedIn(text), field, text);
  });

  it('that no double holds is found in every spelling, with no other in the body', () => {
    fc.assert(
      fc.property(SPELT, (text) => void roundedIn(`[${text}]`)),
      { numRuns: 3_000 },
    );
  });

  it('that another program wrote with all digits of its double is no rounded one', () => {
    for (const same of ['0.10000000000000001', '4.9e-324', '9.999999999999999e22', '4.9406564584124654e-324']) {
      assert.equal(roundedIn(`[${same}]`), null, same);
    }
  });

  it('is looked at once only, and by no function over all values, however it is spelt', (t) => {
    const parse = t.mock.method(JSON, 'parse');
    const parsed = parseJsonBody(Buffer.from('{"data":[1e0,1,1]}'));
    assert.ok('value' in parsed && findRounded(parsed.value as object, 'data') === undefined);
    assert.ok(parse.mock.calls.every(({ arguments: given }) => given.length === 1));
  });

  it('is read in no more time the more zeros it has', () => {
    const zeros = '0'.repeat(1_000_000);
    assert.equal(roundedIn(`[1${zeros}1e-1000000]`), '/0');
    assert.equal(roundedIn(`[1.${zeros}]`), null);
  });

  it('within a text is none', () => {
    assert.equal(roundedIn('{"a":"12345678901234567890","b":", 12345678901234567890"}'), null);
  });
});
