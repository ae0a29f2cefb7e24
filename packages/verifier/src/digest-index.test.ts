import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import { DigestIndex } from './digest-index.ts';

const digestOf = (n: number) => hash('sha256', String(n), 'binary');

it('answers like a map, whatever is set, replaced and deleted in whatever order', () => {
  const step = fc.record({ kind: fc.constantFrom('set', 'delete', 'get'), n: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const index = new DigestIndex<number>();
      const model = new Map<string, number>();
      for (const [i, { kind, n }] of steps.entries()) {
        const digest = digestOf(n);
        if (kind === 'set') {
          index.set(digest, i);
          model.set(digest, i);
        } else if (kind === 'delete') {
          index.delete(digest);
          model.delete(digest);
        }
        assert.equal(index.get(digest), model.get(digest));
        assert.equal(index.size, model.size);
      }
    }),
    { numRuns: 200 },
  );
});

it('holds many, finds each, and nothing else; room that was freed is used again', () => {
  const index = new DigestIndex<number>();
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20_000; n++) index.set(digestOf(n), n);
    assert.equal(index.size, 20_000);
    for (let n = 0; n < 20_000; n += 7) assert.equal(index.get(digestOf(n)), n);
    assert.equal(index.get(digestOf(-1)), undefined);
    for (let n = 0; n < 20_000; n++) index.delete(digestOf(n));
    assert.equal(index.size, 0);
  }
});

it('tells digests apart that begin alike', () => {
  const index = new DigestIndex<string>();
  const one = `${'a'.repeat(31)}b`;
  const other = `${'a'.repeat(31)}c`;
  index.set(one, 'one');
  assert.equal(index.get(other), undefined);
  index.set(other, 'other');
  assert.deepEqual([index.get(one), index.get(other)], ['one', 'other']);
  index.deleteWhere((value) => value === 'one');
  assert.deepEqual([index.get(one), index.get(other)], [undefined, 'other']);
});
