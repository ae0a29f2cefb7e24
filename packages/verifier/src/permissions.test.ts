import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { compileRequirement, packPermissions, Requirements } from './permissions.ts';

function allows(granted: readonly string[], required: string): boolean {
  const requirement = compileRequirement(required);
  if (requirement === null) throw new Error(`${required} is no expression`);
  const packed = packPermissions(granted);
  return requirement.isMetBy({ grants: (one) => one.isIn(packed) });
}

const names = fc.constantFrom('orders', 'order', 'prices', 'a.b', 'read');
const granted = fc.array(
  fc.tuple(fc.oneof(names, fc.constant('*')), fc.oneof(names, fc.constant('*'))).map((segments) => segments.join(':')),
  { maxLength: 5 },
);

it('grants a concrete permission exactly when one granted matches it segment by segment', () => {
  fc.assert(
    fc.property(granted, names, names, (list, resource, action) => {
      const expected = list.some((permission) => {
        const [r, a] = permission.split(':');
        return (r === '*' || r === resource) && (a === '*' || a === action);
      });
      assert.equal(allows(list, `${resource}:${action}`), expected);
    }),
    { numRuns: 500 },
  );
});

it('matches wildcards by whole segments', () => {
  assert.ok(allows(['orders:*'], 'orders:write'));
  assert.ok(allows(['*:read'], 'prices:read'));
  assert.ok(allows(['*:*'], 'prices:read'));
  assert.ok(!allows(['orders:*'], 'orders.eu:write'));
  assert.ok(!allows(['*:read'], 'prices:read.all'));
  assert.ok(!allows(['orders:*', '*:read'], 'prices:write'));
  assert.ok(!allows([], 'prices:read'));
});

it('decides `and` and `or` as logic does', () => {
  const expressions = [
    ['a:r or b:r and c:r', (a: boolean, b: boolean, c: boolean) => a || (b && c)],
    ['(a:r or b:r) and c:r', (a: boolean, b: boolean, c: boolean) => (a || b) && c],
    ['a:r and b:r or c:r', (a: boolean, b: boolean, c: boolean) => (a && b) || c],
  ] as const;
  for (const [text, expected] of expressions) {
    for (let bits = 0; bits < 8; bits++) {
      const has = (['a', 'b', 'c'] as const).filter((_, i) => (bits >> i) & 1);
      const [a, b, c] = [has.includes('a'), has.includes('b'), has.includes('c')];
      assert.equal(
        allows(
          has.map((name) => `${name}:r`),
          text,
        ),
        expected(a, b, c),
        `${text} with ${has}`,
      );
    }
  }
});

it('names every permission that an expression requires', () => {
  const requirement = compileRequirement('(a:r or b:w) and c:x or a:r');
  assert.deepEqual(
    requirement?.permissions.map(({ resource, action }) => `${resource}:${action}`),
    ['a:r', 'b:w', 'c:x', 'a:r'],
  );
});

it('remembers expressions, wrong ones too, and stays right past what it can remember', () => {
  const requirements = new Requirements();
  assert.equal(requirements.get('nonsense'), null);
  assert.equal(requirements.get('nonsense'), null);
  const first = requirements.get('a:r');
  assert.equal(requirements.get('a:r'), first);
  for (let i = 0; i < 2_500; i++) assert.equal(requirements.get(`r${i}:a`)?.permissions[0]?.resource, `r${i}`);
  assert.equal(requirements.get('a:r')?.permissions[0]?.resource, 'a');
});
