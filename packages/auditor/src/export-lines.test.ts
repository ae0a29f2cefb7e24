import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ExportLines, LineTooLong, MAX_LINE_UNITS } from './export-lines.ts';

function linesOf(...texts: string[]): unknown[] {
  const lines = new ExportLines();
  return [...texts.flatMap((text) => [...lines.take(text)]), ...lines.end()];
}

it('ends lines at a line feed and nowhere else, wherever the text is cut', () => {
  const values = [{ name: 'a\u2028b\u2029c\u0085d' }, 2, 'x\ny\r', null];
  const text = values.map((value) => `${JSON.stringify(value)}\n`).join('');
  assert.deepEqual(linesOf(text), values);
  assert.deepEqual(linesOf(...text), values);
  assert.deepEqual(linesOf(text.slice(0, -1)), values, 'without the last line feed');
  assert.deepEqual(linesOf(text.replaceAll('\n', '\r\n')), values);
  assert.deepEqual(linesOf(''), []);
});

it('says undefined of a line that is not JSON, be it empty', () => {
  assert.deepEqual(linesOf('1\n\nnonsense\n2'), [1, undefined, undefined, 2]);
});

it('says undefined of a line that another reader could read otherwise: a member twice, a number of other text', () => {
  const good = '{"side":{"1":"\u2028","count":7},"ip":"203.0.113.9"}';
  const others = [
    '{"ip":"198.51.100.66","side":{"1":"\u2028","count":7},"ip":"203.0.113.9"}',
    '{"side":{"count":9,"1":"\u2028","count":7},"ip":"203.0.113.9"}',
    good.replace(':7', ':7.0000000000000000001'),
    good.replace(':7', ':7e0'),
    good.replace('"ip"', '"\\u0069p"'),
    ` ${good}`,
    `${good}\r\r`,
  ];
  for (const other of others) {
    assert.deepEqual(JSON.parse(other), JSON.parse(good), other);
    assert.deepEqual(linesOf(`${good}\n${other}\n`), [JSON.parse(good), undefined], other);
  }
});

it('refuses a line by name that is longer than any is, without waiting for its end', () => {
  const longest = `"${'x'.repeat(MAX_LINE_UNITS - 2)}"`;
  assert.equal(linesOf(`1\n${longest}\n2\n`).length, 3);
  assert.equal(linesOf('1\n', longest).length, 2);
  const tooLong = { name: LineTooLong.name, message: /^line 2 is longer than 1048576 characters/ };
  assert.throws(() => linesOf(`1\n${longest} \n2\n`), tooLong);
  const lines = new ExportLines();
  assert.deepEqual([...lines.take('1\n')], [1]);
  assert.throws(() => {
    for (let taken = 0; taken < 2 * MAX_LINE_UNITS; taken += 65_536) [...lines.take('x'.repeat(65_536))];
  }, tooLong);
});
