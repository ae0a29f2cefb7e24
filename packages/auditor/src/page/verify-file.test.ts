import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Leaf } from '@keyhold/protocol/leaf';
import { MAX_LINE_UNITS } from '../export-lines.ts';
import { smallLog } from '../testing/small-log.ts';
import { verifyFile } from './verify-file.ts';

/** In pieces of a few characters: a file comes as it comes. */
async function* piecesOf(text: string, length: number) {
  for (let i = 0; i < text.length; i += length) yield text.slice(i, i + length);
}

const verify = (text: string, keys: string, length = 1_000) => verifyFile(piecesOf(text, length), keys);

const log = smallLog(11);

it('a receipt and an export hold in the browser as they do elsewhere, against keys that came from elsewhere', async () => {
  for (const sequence of [1, 2, 7, 11]) {
    const { valid, title, proven, attributed } = await verify(log.receipt(sequence), log.keys);
    assert.deepEqual([valid, title], [true, `The receipt holds: entry ${sequence}.`]);
    assert.ok(proven.length > 0 && attributed.some((line) => line.includes('"tok_test" did "key.issued"')));
  }
  for (const [from, to] of [
    [1, 11],
    [1, 1],
    [4, 9],
    [11, 11],
  ] as const) {
    const { valid, title } = await verify(log.exported(from, to), log.keys);
    assert.deepEqual([valid, title], [true, `It holds: ${to - from + 1} entries, up to entry ${to} of 11.`]);
  }
});

it('one of the log’s keys is enough, whichever it is', async () => {
  for (const key of log.keys.split('\n')) {
    for (const text of [log.receipt(7), log.exported(4, 9), log.exported(1, 11)]) {
      const { valid, title } = await verify(text, key);
      assert.ok(valid, title);
    }
  }
});

it('and nothing else does: other keys, another file, a byte changed', async () => {
  const other = smallLog(11);
  const cases: [text: string, keys: string, title: RegExp][] = [
    [log.receipt(3), other.keys, /proves nothing: no trusted key/],
    [log.receipt(3), 'nonsense', /keys can not be read/],
    ['nonsense', log.keys, /neither a receipt nor an export/],
    [log.exported(2, 5), other.keys, /does not hold.*no trusted key/],
    [log.exported(2, 5).replace('"key_3"', '"key_9"'), log.keys, /does not hold. At entry 3/],
    [log.exported(2, 5).replace('"from":2', '"from":3'), log.keys, /does not hold/],
    [`${log.exported(2, 5)}${'x'.repeat(MAX_LINE_UNITS + 1)}`, log.keys, /does not hold: line 6 is longer than/],
  ];
  for (const [text, keys, title] of cases) {
    const outcome = await verify(text, keys);
    assert.equal(outcome.valid, false);
    assert.match(outcome.title, title);
    assert.deepEqual(outcome.proven, []);
  }
});

it('rows that were edited past the ledger are told of, in a log that holds and in one that does not', async () => {
  const change = (leaf: Leaf): Leaf => ({
    ...leaf,
    changes: leaf.sequence < 3 ? [] : [{ id: 'key_1', before: 'ab'.repeat(32), after: null }],
  });
  const edited = smallLog(4, { change });
  const found = [3, 4].map((sequence) => `key_1 had been edited past the ledger before entry ${sequence}`);
  const { valid, title, found: shown } = await verify(edited.exported(1, 4), edited.keys);
  assert.deepEqual([valid, shown], [true, found]);
  assert.equal(title, 'It holds: 4 entries, up to entry 4 of 4. But rows had been edited past it.');
  const refused = await verify(edited.exported(1, 4), log.keys);
  assert.deepEqual([refused.valid, refused.found], [false, found]);
  assert.deepEqual((await verify(log.exported(1, 4), log.keys)).found, []);
});

it('a leaf that has what ends a line elsewhere is one line here', async () => {
  const other = smallLog(3, { change: (leaf) => ({ ...leaf, actor: 'tok\u2028\u2029\u0085' }) });
  assert.ok(other.exported(1, 3).includes('\u2028'));
  assert.equal((await verify(other.exported(1, 3), other.keys)).title, 'It holds: 3 entries, up to entry 3 of 3.');
});

it('whatever a leaf is instead of one, it is refused and nothing is thrown', async () => {
  for (const changes of [[null], [[]], 'x', null, [{ id: 1, before: null, after: null }]]) {
    const broken = smallLog(3, { change: (leaf) => ({ ...leaf, changes }) as unknown as Leaf });
    assert.match(
      (await verify(broken.exported(1, 3), broken.keys)).title,
      /does not hold. At entry 1: the leaf cannot be/,
    );
    assert.match((await verify(broken.receipt(2), broken.keys)).title, /proves nothing: the entry cannot be read/);
  }
});

it('it is the same whatever pieces it comes in, and a receipt that never ends is not read', async () => {
  for (const length of [1, 7, 100_000]) {
    assert.ok((await verify(log.receipt(3), log.keys, length)).valid, `receipt, ${length} at once`);
    assert.ok((await verify(log.exported(2, 9), log.keys, length)).valid, `export, ${length} at once`);
    assert.match((await verify('', log.keys, length)).title, /neither a receipt nor an export/);
  }
  const endless = (async function* () {
    for (yield log.receipt(3); ; ) yield 'x'.repeat(10_000);
  })();
  assert.match((await verifyFile(endless, log.keys)).title, /longer than any is/);
});
