import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  MAX_EXPRESSION_LENGTH,
  PERMISSION_PATTERN,
  type PermissionExpression,
  parsePermissionExpression,
} from './permission.ts';

const segments = fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,5}$/);
const leaves = fc.tuple(segments, segments).map(([resource, action]): PermissionExpression => {
  return { kind: 'permission', resource, action };
});
const trees = fc.letrec<{ tree: PermissionExpression }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaves,
    fc.tuple(fc.constantFrom('and' as const, 'or' as const), tie('tree'), tie('tree')).map(([kind, left, right]) => {
      return { kind, left, right };
    }),
  ),
})).tree;

/** Writes a tree with parentheses around everything that is not a permission. */
function written(tree: PermissionExpression): string {
  if (tree.kind === 'permission') return `${tree.resource}:${tree.action}`;
  return `(${written(tree.left)} ${tree.kind} ${written(tree.right)})`;
}

/** What a text parses to, every pair in parentheses, or what is wrong with it. */
function shape(text: string): string {
  const parsed = parsePermissionExpression(text);
  return 'error' in parsed ? `${parsed.error} at ${parsed.at}` : written(parsed);
}

function errorAt(text: string): number | null {
  const parsed = parsePermissionExpression(text);
  return 'error' in parsed ? parsed.at : null;
}

it('reads back any expression in parentheses as the tree that was written', () => {
  fc.assert(fc.property(trees, (tree) => assert.deepEqual(parsePermissionExpression(written(tree)), tree)));
});

it('binds `and` tighter than `or`, and both to the left', () => {
  assert.equal(shape('a:r or b:r and c:r'), '(a:r or (b:r and c:r))');
  assert.equal(shape('a:r and b:r or c:r'), '((a:r and b:r) or c:r)');
  assert.equal(shape('a:r or b:r or c:r'), '((a:r or b:r) or c:r)');
  assert.equal(shape('a:r and (b:r or c:r)'), '(a:r and (b:r or c:r))');
  assert.equal(shape(' \t a:r\nand(b:r)and\rc:r '), '((a:r and b:r) and c:r)');
});

it('says where it went wrong', () => {
  const wrong: readonly (readonly [text: string, at: number])[] = [
    ['', 0],
    ['   ', 3],
    ['a:r and', 7],
    ['a:r b:r', 4],
    ['a:r)', 3],
    ['(a:r', 4],
    ['(a:r b:r)', 5],
    ['()', 1],
    ['a:r and and', 8],
    ['a:r AND b:r', 4],
  ];
  for (const [text, at] of wrong) assert.equal(errorAt(text), at, text);
});

it('never repeats the text in an error: what was put here by mistake may be a secret', () => {
  const misplaced = 'hunter2-is-no-permission';
  for (const text of [misplaced, `a:r ${misplaced}`, `(a:r ${misplaced}`, `a:r and ${misplaced}`]) {
    const parsed = parsePermissionExpression(text);
    assert.ok('error' in parsed && !parsed.error.includes(misplaced), text);
  }
});

it('requires concrete permissions: no wildcards, no third segment, no capitals', () => {
  const wrong = [
    '*:read',
    'orders:*',
    '*',
    '*:*',
    'orders',
    'orders:',
    ':read',
    'a:b:c',
    'Orders:read',
    '-a:b',
    'a:b\u00e4',
  ];
  for (const text of wrong) assert.equal(errorAt(text), 0, text);
});

it('takes segments of 63 characters and refuses 64', () => {
  const longest = 'a'.repeat(63);
  assert.equal(shape(`${longest}:${longest}`), `${longest}:${longest}`);
  assert.ok('error' in parsePermissionExpression(`${longest}a:b`));
  assert.ok('error' in parsePermissionExpression(`b:${longest}a`));
});

it('nests 16 deep and refuses 17, at the parenthesis that is one too many', () => {
  const nested = (depth: number) => `${'('.repeat(depth)}a:r${')'.repeat(depth)}`;
  assert.equal(shape(nested(16)), 'a:r');
  assert.equal(errorAt(nested(17)), 16);
});

it('takes 1024 characters and refuses 1025', () => {
  const text = (length: number) => `${' '.repeat(length - 3)}a:r`;
  assert.equal(shape(text(MAX_EXPRESSION_LENGTH)), 'a:r');
  assert.equal(errorAt(text(MAX_EXPRESSION_LENGTH + 1)), 1024);
});

it('never throws, whatever the text, and places every error inside it', () => {
  const words = fc.constantFrom('(', ')', ' ', 'and', 'or', 'a:r', '*', ':', '\u00a0', '\ud800', '\n', '__proto__:x');
  const soup = fc.array(words, { maxLength: 40 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 1100 })), (text) => {
      const parsed = parsePermissionExpression(text);
      if ('error' in parsed) assert.ok(parsed.at >= 0 && parsed.at <= text.length && parsed.error.length > 0);
      else assert.deepEqual(parsePermissionExpression(written(parsed)), parsed);
    }),
    { numRuns: 1000 },
  );
});

it('grants a wildcard for a whole segment and never for a part of one', () => {
  const pattern = new RegExp(PERMISSION_PATTERN);
  for (const text of ['orders:write', 'orders:*', '*:read', '*:*', 'a.b_c-1:2']) assert.ok(pattern.test(text), text);
  for (const text of ['*', 'orders', 'ord*:read', 'a:**', 'a:r ', 'a:r\n', 'A:r', 'a:b:c', '']) {
    assert.ok(!pattern.test(text), JSON.stringify(text));
  }
});
