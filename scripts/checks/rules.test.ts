import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RULES } from './rules.ts';
import type { SourceFile } from './source.ts';
import { readFixture, readTree, treeOf, type Violation } from './tree.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FIXTURES = fileURLToPath(new URL('./fixtures', import.meta.url));

/** What each fixture does wrong, once: `rule/case`, and what the refusal must name. */
const REFUSED: Readonly<Record<string, { path: string; line?: number; names: RegExp }>> = {
  'floors/upward': { path: 'packages/server/src/access/token.ts', line: 1, names: /keys\/key\.ts/ },
  'floors/sideways': { path: 'packages/server/src/keys/issue-key.ts', line: 2, names: /secrets\/open-secret\.ts/ },
  'floors/nowhere': { path: 'packages/server/src/attic/box.ts', names: /no floor/ },
  'file-kinds/use-case-and-http': {
    path: 'packages/server/src/keys/issue-key.ts',
    line: 2,
    names: /use case.*fastify/,
  },
  'file-kinds/store-and-routes': { path: 'packages/server/src/keys/keys.store.ts', line: 2, names: /keys\.routes\.ts/ },
  'file-kinds/store-and-use-case': { path: 'packages/server/src/keys/keys.store.ts', line: 2, names: /issue-key\.ts/ },
  'file-kinds/noun-and-store': { path: 'packages/server/src/keys/key.ts', line: 2, names: /noun.*keys\.store\.ts/ },
  'sql-places/use-case': { path: 'packages/server/src/keys/revoke-key.ts', line: 1, names: /kysely/ },
  'sql-places/writing-route': { path: 'packages/server/src/keys/keys.routes.ts', line: 4, names: /deleteFrom/ },
  'pure-domain/fetch': { path: 'packages/server/src/keys/key.ts', line: 2, names: /fetch/ },
  'environment/verifier': { path: 'packages/verifier/src/limits.ts', line: 1, names: /environment/ },
  'one-clock/now': { path: 'packages/server/src/keys/key.ts', line: 1, names: /Date\.now/ },
  'one-clock/new-date': { path: 'packages/protocol/src/id.ts', line: 1, names: /new Date\(\)/ },
  'one-clock/timer': { path: 'packages/server/src/ledger/ledger.ts', line: 1, names: /setTimeout/ },
  'expose-holders/use-case': { path: 'packages/server/src/keys/issue-key.ts', line: 2, names: /expose/ },
  'expose-holders/handed-on': { path: 'packages/server/src/vault/secret.ts', names: /expose/ },
  'ciphers/store': { path: 'packages/server/src/keys/keys.store.ts', line: 1, names: /createCipheriv/ },
  'constant-time/signature': {
    path: 'packages/verifier/src/verify-signature.ts',
    line: 3,
    names: /expected\.mac.*timingSafeEqual/,
  },
  'package-borders/cli': { path: 'packages/cli/src/main.ts', line: 2, names: /@keyhold\/server\/app/ },
  'package-borders/console': { path: 'packages/console/src/keys.tsx', line: 1, names: /@keyhold\/server\/config/ },
  'package-borders/protocol': { path: 'packages/protocol/src/id.ts', line: 2, names: /node:crypto/ },
  'package-borders/verifier': { path: 'packages/verifier/src/decide.ts', line: 3, names: /pino/ },
  'package-borders/by-path': { path: 'packages/sdk/src/client.ts', line: 1, names: /verifier\/src\/decide\.ts/ },
  'barrels/room': { path: 'packages/server/src/keys/index.ts', names: /hands on/ },
  'file-names/utils': { path: 'packages/server/src/http/string-utils.ts', names: /string-utils/ },
  'unused-exports/function': { path: 'packages/server/src/keys/key.ts', line: 7, names: /exports unused,/ },
  'front-door/scripts': { path: 'package.json', names: /9 scripts/ },
  'dependencies/unexplained': { path: 'package.json', names: /left-pad has no line/ },
  'dependencies/loose': { path: 'package.json', names: /"\^0\.1\.0" is not an exact version/ },
  'dependencies/outdated-line': { path: 'docs/decisions/dependencies.md', names: /left-pad 1\.2\.0.*1\.3\.0/ },
};

describe('each rule of the house refuses the fixture that breaks it once', () => {
  for (const [fixture, { path, line, names }] of Object.entries(REFUSED)) {
    it(fixture, () => {
      const violations = check(fixture.split('/')[0] ?? '', readFixture(join(FIXTURES, fixture)));
      assert.equal(violations.length, 1, JSON.stringify(violations));
      assert.equal(violations[0]?.path, path);
      assert.equal(violations[0]?.line, line);
      assert.match(violations[0]?.message ?? '', names);
    });
  }

  it('no fixture lies there without being tried, and no rule is without one', () => {
    const folders = readdirSync(FIXTURES).filter((name) => name !== 'biome');
    const found = folders.flatMap((rule) => readdirSync(join(FIXTURES, rule)).map((name) => `${rule}/${name}`));
    assert.deepEqual(found.sort(), Object.keys(REFUSED).sort());
    // Sizes have theirs below: files too long to keep.
    const rules = RULES.map(({ name }) => name).filter((name) => name !== 'sizes');
    assert.deepEqual(folders.sort(), rules.sort());
  });
});

describe('sizes are held', () => {
  const files = (counts: readonly number[]) =>
    treeOf(new Map(counts.map((count, index) => [`packages/server/src/keys/f${index}.ts`, '//\n'.repeat(count)])));

  it('a file of 401 lines is refused, one of 400 is not', () => {
    const small = Array.from({ length: 40 }, () => 10);
    assert.match(messages('sizes', files([...small, 401])), /^has 401 lines; 400 is the most$/);
    assert.equal(messages('sizes', files([...small, 400])), '');
  });

  it('more than one file in twenty of 300 lines is refused', () => {
    const small = Array.from({ length: 19 }, () => 10);
    assert.match(messages('sizes', files([...small, 300, 300])), /^2 of 21 files have 300 lines or more/);
    assert.equal(messages('sizes', files([...small, 300])), '');
  });

  it('a median of 100 lines is refused, one of 99 is not', () => {
    assert.match(messages('sizes', files([10, 100, 100])), /^the median file has 100 lines/);
    assert.equal(messages('sizes', files([10, 99, 100])), '');
  });

  it('a README of 150 lines is refused, one of 149 is not', () => {
    const readme = (lines: number) => treeOf(new Map([['README.md', 'x\n'.repeat(lines)]]));
    assert.match(messages('front-door', readme(150)), /150 lines/);
    assert.equal(messages('front-door', readme(149)), '');
  });
});

describe('this repository keeps each rule of the house', () => {
  const tree = readTree(ROOT);
  for (const { name } of RULES) {
    it(name, () => assert.deepEqual(check(name, tree), []));
  }

  it('and is really read: every package has sources, and imports are seen in them', () => {
    for (const name of ['protocol', 'verifier', 'server', 'sdk']) {
      const sources = tree.sources.filter(({ path }) => path.startsWith(`packages/${name}/src/`));
      assert.ok(sources.length > 0, name);
      assert.ok(sources.some(importsSomething), name);
    }
  });
});

function importsSomething({ imports }: SourceFile): boolean {
  return imports.length > 0;
}

function check(name: string, tree: Parameters<(typeof RULES)[number]['check']>[0]): Violation[] {
  const rule = RULES.find((candidate) => candidate.name === name);
  assert.ok(rule, `there is no rule ${name}`);
  return [...rule.check(tree)];
}

function messages(name: string, tree: Parameters<typeof check>[1]): string {
  return check(name, tree)
    .map(({ message }) => message)
    .join('\n');
}
