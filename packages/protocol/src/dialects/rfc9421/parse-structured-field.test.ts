import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_FIELD_CHARS, parseDictionary, parseItem, parseList } from './parse-structured-field.ts';
import { serializeDictionary, serializeList, serializeMember } from './serialize-structured-field.ts';

const READ = {
  list: (text: string) => {
    const parsed = parseList(text);
    return parsed === null ? null : serializeList(parsed.value);
  },
  dictionary: (text: string) => {
    const parsed = parseDictionary(text);
    return parsed === null ? null : serializeDictionary(parsed.value);
  },
  item: (text: string) => {
    const parsed = parseItem(text);
    return parsed === null ? null : serializeMember(parsed.value);
  },
};

it('reads the examples of RFC 9651 §3, and writes them in the one way of §4.1', () => {
  for (const [kind, written, canonical = written] of [
    ['list', 'sugar, tea, rum'],
    ['list', '("foo" "bar"), ("baz"), ("bat" "one"), ()'],
    ['list', '("foo"; a=1;b=2);lvl=5, ("bar" "baz");lvl=1', '("foo";a=1;b=2);lvl=5, ("bar" "baz");lvl=1'],
    ['list', 'abc;a=1;b=2; cde_456, (ghi;jk=4 l);q="9";r=w', 'abc;a=1;b=2;cde_456, (ghi;jk=4 l);q="9";r=w'],
    ['item', '1; a; b=?0', '1;a;b=?0'],
    ['dictionary', 'en="Applepie", da=:w4ZibGV0w6ZydGU=:'],
    ['dictionary', 'a=?0, b, c; foo=bar', 'a=?0, b, c;foo=bar'],
    ['dictionary', 'rating=1.5, feelings=(joy sadness)'],
    ['dictionary', 'a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid'],
    ['item', '5; foo=bar', '5;foo=bar'],
    ['item', '42'],
    ['item', '4.5'],
    ['item', '"hello world"'],
    ['item', 'foo123/456'],
    ['item', ':cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:'],
    ['item', '?1'],
    ['item', '@1659578233'],
    ['item', '%"This is intended for display to %c3%bcsers."'],
    // §4.1.5, §4.2.4: as little as tells a decimal from an integer.
    ['item', '1.0'],
    ['item', '-0', '0'],
    ['item', '1.50', '1.5'],
    ['item', '999999999999999'],
    ['item', '"\\"\\\\"'],
    ['dictionary', ''],
    ['list', 'a \t,\t b', 'a, b'],
    ['dictionary', 'a=1, b, a=2', 'a=2, b'],
  ] as const) {
    assert.equal(READ[kind](written), canonical, written);
  }
});

it('refuses the whole field for what is wrong anywhere in it (RFC 9651 §4.2)', () => {
  for (const [kind, written] of [
    ['list', 'a,'],
    ['list', 'a b'],
    ['list', ',a'],
    ['list', '(1 2'],
    ['list', '(1,2)'],
    ['list', '("a""b")'],
    ['dictionary', 'A=1'],
    ['dictionary', 'a=1;B'],
    ['dictionary', 'a='],
    ['dictionary', 'a=1,'],
    ['dictionary', 'a=1\n'],
    ['item', ''],
    ['item', '1 2'],
    ['item', '1000000000000000'],
    ['item', '1.1234'],
    ['item', '1.'],
    ['item', '1234567890123.1'],
    ['item', '--1'],
    ['item', '"é"'],
    ['item', '"a'],
    ['item', '"\\a"'],
    ['item', "'a'"],
    ['item', ':aa'],
    ['item', ':a_b-:'],
    ['item', '?2'],
    ['item', '@1.5'],
    ['item', '%"%C3%BC"'],
    ['item', '%"%ff"'],
    ['item', '%"%4"'],
    ['item', `"${'a'.repeat(MAX_FIELD_CHARS)}"`],
  ] as const) {
    assert.equal(READ[kind](written), null, JSON.stringify(written.slice(0, 50)));
  }
});

it('takes bytes that are written in one way only: two fields with one meaning would be two requests with one base', () => {
  assert.equal(READ.item(':YQ==:'), ':YQ==:');
  for (const other of [':YR==:', ':YQ=:', ':YQ:', ':=YQ=:', ':Y Q==:']) assert.equal(READ.item(other), null, other);
});

it('says where a key stood twice, in members and in parameters, of which the RFC lets the last one win', () => {
  assert.equal(parseDictionary('a=1, b=2')?.repeated, false);
  for (const twice of ['a=1, a=2', 'a;x;x=1', 'a=(1;y=1;y=2)', 'b=(1);z;z']) {
    assert.equal(parseDictionary(twice)?.repeated, true, twice);
  }
});
