import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sha256 } from './note-crypto.ts';
import { RowDigests } from './row-digests.ts';

it('remembers of each of many rows its newest digest, and nothing of others', () => {
  const rows = new RowDigests(sha256);
  const expected = new Map<string, string | null>();
  for (let i = 0; i < 20_000; i++) {
    const id = `row_${(i * 7_919) % 9_000}`;
    const digest = i % 11 === 0 ? null : `digest_${i}`;
    assert.ok(rows.is(id, expected.get(id) ?? null));
    rows.set(id, digest);
    expected.set(id, digest);
  }
  for (const [id, digest] of expected) {
    assert.ok(rows.has(id) && rows.is(id, digest), id);
    assert.ok(!rows.is(id, 'another'), id);
    assert.equal(rows.is(id, null), digest === null, id);
  }
  assert.ok(!rows.has('row_unknown') && rows.is('row_unknown', null));
  assert.ok(!rows.is('row_unknown', 'digest_1'));
});
