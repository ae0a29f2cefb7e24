import assert from 'node:assert/strict';
import { it } from 'node:test';
import { digestOfRead, rowDigest, saltedDigest } from './row-digest.ts';

const SALT = 'ab'.repeat(32);
const ROW = { id: 'cons_1', name: 'bot', metadata: null, created_at: 1, salt: SALT };

it('takes no column for another, however often the row was read before', () => {
  const digest = rowDigest(ROW);
  assert.equal(digestOfRead(ROW), digest);
  const others = [
    { ...ROW, name: 'bots' },
    { ...ROW, metadata: '{}' },
    { ...ROW, created_at: 2 },
    { ...ROW, created_at: '1' },
    { ...ROW, salt: 'cd'.repeat(32) },
    { ...ROW, extra: null },
    (({ metadata: _, ...row }) => row)(ROW),
    (({ metadata: _, ...row }) => ({ ...row, other: null }))(ROW),
  ];
  for (const other of others) {
    assert.notEqual(digestOfRead(other), digest);
    assert.equal(digestOfRead(other), rowDigest(other));
    assert.equal(digestOfRead(ROW), digest);
  }
});

it('keeps a copy: a row that its reader edits is another row', () => {
  const row = { ...ROW, id: 'cons_2' };
  const digest = digestOfRead(row);
  row.name = 'edited';
  assert.notEqual(digestOfRead(row), digest);
});

it('digests all of the text behind random bytes that are longer than they should be', () => {
  const text = '{"name":"bot"}';
  const longer = SALT + Buffer.from(text).toString('hex');
  assert.notEqual(saltedDigest(longer, '{"name":"cat"}'), saltedDigest(SALT, text));
});
