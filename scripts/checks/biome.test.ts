import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { biomeBinary } from './biome.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FIXTURES = fileURLToPath(new URL('./fixtures/biome', import.meta.url));

/** Which diagnostics the repository's own configuration gives for a fixture, and in which files. */
function lint(fixture: string): { rules: string[]; files: string[]; status: number | null } {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-lint-'));
  try {
    cpSync(join(FIXTURES, fixture), folder, { recursive: true });
    for (const name of readdirSync(folder)) renameSync(join(folder, name), join(folder, name.replace(/\.txt$/, '')));
    cpSync(join(ROOT, 'biome.json'), join(folder, 'biome.json'));
    const { stdout, status } = spawnSync(biomeBinary(ROOT), ['ci', '--colors=off', '--reporter=github', '.'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const found = [...stdout.matchAll(/^::error title=([^,]+),file=([^,]+)/gm)];
    return {
      rules: [...new Set(found.map(([, rule = '']) => rule))],
      files: found.map(([, , file = '']) => file.split('/').at(-1) ?? '').sort(),
      status,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("the linter refuses, under this repository's configuration", () => {
  it('a circle of imports, naming both files in it', () => {
    const { rules, files, status } = lint('no-import-cycles');
    assert.deepEqual(rules, ['lint/suspicious/noImportCycles']);
    assert.deepEqual(files, ['first.ts', 'second.ts']);
    assert.equal(status, 1);
  });

  it('a default export', () => {
    const { rules, files, status } = lint('no-default-export');
    assert.deepEqual(rules, ['lint/style/noDefaultExport']);
    assert.deepEqual(files, ['only.ts']);
    assert.equal(status, 1);
  });

  it('a function whose body has 61 lines', () => {
    const { rules, files, status } = lint('no-excessive-lines-per-function');
    assert.deepEqual(rules, ['lint/complexity/noExcessiveLinesPerFunction']);
    assert.deepEqual(files, ['long.ts']);
    assert.equal(status, 1);
  });

  it('a file name that is not in kebab-case', () => {
    const { rules, files, status } = lint('use-filenaming-convention');
    assert.deepEqual(rules, ['lint/style/useFilenamingConvention']);
    assert.deepEqual(files, ['camelCase.ts']);
    assert.equal(status, 1);
  });
});

it('a machine without the linter is told which package is missing', () => {
  assert.throws(() => biomeBinary(join(ROOT, 'no-such-folder')), /@biomejs\/cli-\w+-\w+ is not installed/);
});
