import assert from 'node:assert/strict';
import { it } from 'node:test';
import { smallLog } from '../testing/small-log.ts';
import { verifyText } from './verify-text.ts';

const log = smallLog(11);

it('a receipt and an export hold in the browser as they do elsewhere, against keys that came from elsewhere', () => {
  for (const sequence of [1, 2, 7, 11]) {
    const { valid, title, proven, attributed } = verifyText(log.receipt(sequence), log.keys);
    assert.deepEqual([valid, title], [true, `The receipt holds: entry ${sequence}.`]);
    assert.ok(proven.length > 0 && attributed.some((line) => line.includes('"tok_test" did "key.issued"')));
  }
  for (const [from, to] of [
    [1, 11],
    [1, 1],
    [4, 9],
    [11, 11],
  ] as const) {
    const { valid, title } = verifyText(log.exported(from, to), log.keys);
    assert.deepEqual([valid, title], [true, `It holds: ${to - from + 1} entries, up to entry ${to} of 11.`]);
  }
});

it('and nothing else does: other keys, another file, a byte changed', () => {
  const other = smallLog(11);
  const cases: [text: string, keys: string, title: RegExp][] = [
    [log.receipt(3), other.keys, /proves nothing: no trusted key/],
    [log.receipt(3), 'nonsense', /keys can not be read/],
    ['nonsense', log.keys, /neither a receipt nor an export/],
    [log.exported(2, 5), other.keys, /does not hold.*no trusted key/],
    [log.exported(2, 5).replace('"key_3"', '"key_9"'), log.keys, /does not hold. At entry 3/],
    [log.exported(2, 5).replace('"from":2', '"from":3'), log.keys, /does not hold/],
  ];
  for (const [text, keys, title] of cases) {
    const outcome = verifyText(text, keys);
    assert.equal(outcome.valid, false);
    assert.match(outcome.title, title);
    assert.deepEqual(outcome.proven, []);
  }
});
