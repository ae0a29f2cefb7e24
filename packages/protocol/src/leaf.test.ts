import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, type Json } from './canonical-json.ts';
import { decodeLeaf, type Leaf, MAX_LEAF_BYTES, writeLeaf } from './leaf.ts';

const digests = fc.option(fc.stringMatching(/^[0-9a-f]{64}$/));
const words = fc.string({ unit: 'grapheme', maxLength: 40 });
const leaves: fc.Arbitrary<Leaf> = fc.record(
  {
    v: fc.constant(1 as const),
    installation: words,
    sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    id: words,
    at: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    previous: digests,
    actor: words,
    action: words,
    subject: words,
    project: words,
    environment: words,
    code: words,
    changes: fc.array(fc.record({ id: words, before: digests, after: digests }, { noNullPrototype: true }), {
      maxLength: 5,
    }),
    side: digests,
  },
  {
    requiredKeys: [
      'v',
      'installation',
      'sequence',
      'id',
      'at',
      'previous',
      'actor',
      'action',
      'subject',
      'changes',
      'side',
    ],
    noNullPrototype: true,
  },
);

const LEAF: Leaf = {
  v: 1,
  installation: 'inst_1',
  sequence: 7,
  id: 'entry_7',
  at: '2026-01-15T12:00:00.000Z',
  previous: null,
  actor: 'tok_1',
  action: 'issue-key',
  subject: 'key_1',
  changes: [{ id: 'key_1', before: null, after: 'ab'.repeat(32) }],
  side: null,
};

const bytesOf = (text: string) => new TextEncoder().encode(text);
const encodeLeaf = (leaf: Leaf) => bytesOf(writeLeaf(leaf));

it('reads back every leaf as it was written, to the byte', () => {
  fc.assert(
    fc.property(leaves, (leaf) => {
      const bytes = encodeLeaf(leaf);
      assert.deepEqual(decodeLeaf(bytes), leaf);
      assert.deepEqual(encodeLeaf(decodeLeaf(bytes)), bytes);
    }),
  );
});

it('keeps the bytes that version 1 has had from its first day', () => {
  const expected =
    '{"action":"issue-key","actor":"tok_1","at":"2026-01-15T12:00:00.000Z","changes":' +
    `[{"after":"${'ab'.repeat(32)}","before":null,"id":"key_1"}],"id":"entry_7","installation":"inst_1",` +
    '"previous":null,"sequence":7,"side":null,"subject":"key_1","v":1}';
  assert.equal(new TextDecoder().decode(encodeLeaf(LEAF)), expected);
});

it('takes exactly 16 KiB and refuses one byte more, counting bytes of UTF-8', () => {
  const room = MAX_LEAF_BYTES - encodeLeaf({ ...LEAF, code: '' }).length;
  assert.equal(encodeLeaf({ ...LEAF, code: 'x'.repeat(room) }).length, MAX_LEAF_BYTES);
  assert.throws(() => encodeLeaf({ ...LEAF, code: 'x'.repeat(room + 1) }), RangeError);
  assert.throws(() => encodeLeaf({ ...LEAF, code: '\u20ac'.repeat(Math.ceil(room / 2)) }), RangeError);
});

it('refuses bytes that say the same in another form', () => {
  const text = new TextDecoder().decode(encodeLeaf(LEAF));
  const others = [
    ` ${text}`,
    `${text}\n`,
    text.replace('"v":1', '"v":1.0'),
    text.replace('"v":1', '"v": 1'),
    text.replace('tok_1', '\\u0074ok_1'),
    text.replace('{"action"', '{"v":1,"action"'),
    text.replace('"side":null,"subject":"key_1"', '"subject":"key_1","side":null'),
    JSON.stringify(LEAF),
  ];
  for (const other of others) assert.throws(() => decodeLeaf(bytesOf(other)), other);
});

it('refuses a byte order mark before the leaf: the bytes are hashed, so there is one form only', () => {
  assert.throws(() => decodeLeaf(Uint8Array.of(0xef, 0xbb, 0xbf, ...encodeLeaf(LEAF))));
});

it('refuses bytes that are not UTF-8, not JSON, no object or of another version', () => {
  const bytes = encodeLeaf(LEAF);
  const broken = Uint8Array.from(bytes);
  broken[20] = 0xff;
  assert.throws(() => decodeLeaf(broken), TypeError);
  assert.throws(() => decodeLeaf(bytes.subarray(0, -1)), SyntaxError);
  for (const text of ['null', '[]', '1', '"v"', '{}', '{"v":2}', '{"v":"1"}']) {
    assert.throws(() => decodeLeaf(bytesOf(text)), TypeError, text);
  }
});

it('refuses what has not exactly the fields of a leaf, each of its type', () => {
  const change = { id: 'key_1', before: null, after: 'ab'.repeat(32) };
  const others: Record<string, unknown>[] = [
    ...['installation', 'id', 'at', 'actor', 'action', 'subject', 'project', 'environment', 'code'].flatMap((name) =>
      [null, 1, [], {}, true].map((value) => ({ [name]: value })),
    ),
    ...[null, 0, -1, 1.5, '7', 2 ** 53].map((sequence) => ({ sequence })),
    ...['previous', 'side'].flatMap((name) =>
      [1, '', 'ab', 'AB'.repeat(32), `${'ab'.repeat(32)}\n`, 'xy'.repeat(32), {}].map((value) => ({ [name]: value })),
    ),
    ...[null, {}, 'x', [null], [1], ['key_1'], [[]], [{}]].map((changes) => ({ changes })),
    { changes: [{ ...change, id: 1 }] },
    { changes: [{ ...change, before: 1 }] },
    { changes: [{ ...change, after: 'ab' }] },
    { changes: [{ ...change, more: 1 }] },
    { changes: [{ id: 'key_1', before: null }] },
    { changes: [change, null] },
    { more: 'unknown' },
    { toString: 'unknown' },
  ];
  for (const other of others) {
    const text = canonicalJson({ ...LEAF, ...other } as unknown as Json);
    assert.throws(() => decodeLeaf(bytesOf(text)), TypeError, text);
  }
  for (const name of Object.keys(LEAF)) {
    const text = canonicalJson({ ...LEAF, [name]: undefined } as unknown as Json);
    assert.throws(() => decodeLeaf(bytesOf(text)), TypeError, `without ${name}`);
  }
  const deep = `{"changes":${'['.repeat(100_000)}${']'.repeat(100_000)},"v":1}`;
  assert.throws(() => decodeLeaf(bytesOf(deep)), TypeError, 'nested without end');
});
