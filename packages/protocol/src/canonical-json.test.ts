import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, type Json } from './canonical-json.ts';

/** RFC 8785 appendix B: IEEE 754 bits and their one serialisation. */
const NUMBERS: readonly (readonly [bits: string, text: string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
];

it('writes every number of RFC 8785 appendix B as it is written there', () => {
  for (const [bits, text] of NUMBERS) assert.equal(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE(0)), text);
  assert.equal(NUMBERS.length, 24);
});

it('refuses numbers that are not finite (RFC 8785 appendix B)', () => {
  for (const bits of ['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000']) {
    assert.throws(() => canonicalJson(Buffer.from(bits, 'hex').readDoubleBE(0)), TypeError);
  }
  assert.throws(() => canonicalJson({ deep: [{ inside: Number.NaN }] }), TypeError);
});

it('writes the example of RFC 8785 §3.2.2 with sorted members', () => {
  const input: Json = {
    numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000f\u000aA\'B\u0022\u005c\\"/',
    literals: [null, true, false],
  };
  const expected =
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}';
  assert.equal(canonicalJson(input), expected);
});

it('sorts members by UTF-16 code units, as the example of RFC 8785 §3.2.3', () => {
  const values: Record<string, string> = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  };
  const order = Object.values(JSON.parse(canonicalJson(values)) as Record<string, string>).filter((v) => v !== 'One');
  // An object's own order puts integer-like names first, so the text is what is looked at.
  assert.ok(canonicalJson(values).startsWith('{"\\r":"Carriage Return","1":"One","\u0080":"Control",'));
  assert.deepEqual(order, [
    'Carriage Return',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

it('escapes control characters in the short form where there is one, in lower-case hex otherwise (§3.2.2.2)', () => {
  assert.equal(canonicalJson('\b\t\n\f\r"\\'), '"\\b\\t\\n\\f\\r\\"\\\\"');
  assert.equal(canonicalJson('\u0000\u001f\u007f\u2028/'), '"\\u0000\\u001f\u007f\u2028/"');
});

it('refuses lone surrogates in values and in names (§3.2.2.2)', () => {
  for (const text of ['\ud800', '\udc00', 'a\ud83d', '\ude00\ud83d', '\udead']) {
    assert.throws(() => canonicalJson(text), TypeError);
    assert.throws(() => canonicalJson({ [text]: 1 }), TypeError);
    assert.throws(() => canonicalJson([[text]]), TypeError);
  }
});

it('is one text for all orders of members, and reads back as what was written', () => {
  const json = fc.jsonValue({ stringUnit: 'grapheme' });
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value as Json);
      assert.equal(canonicalJson(reversed(value as Json)), text);
      assert.equal(canonicalJson(JSON.parse(text) as Json), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 300 },
  );
});

it('leaves undefined members out, and keeps the names that prototypes have', () => {
  assert.equal(canonicalJson({ b: undefined, a: 1 }), '{"a":1}');
  const hostile = JSON.parse('{"constructor":2,"__proto__":1,"toString":3}') as Json;
  assert.equal(canonicalJson(hostile), '{"__proto__":1,"constructor":2,"toString":3}');
});

function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value as { readonly [name: string]: Json }).reverse();
  return Object.fromEntries(members.map(([name, member]) => [name, reversed(member)]));
}
