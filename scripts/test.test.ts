import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const TEST = fileURLToPath(new URL('./test.ts', import.meta.url));

/** Runs a file with one test on a machine that has no program at all, and a PostgreSQL that nobody asks. */
function runOne(env: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  try {
    const file = join(folder, 'one.test.mjs');
    writeFileSync(file, "import { it } from 'node:test'; it('passes', () => {});");
    const { NODE_TEST_CONTEXT: _, CI: __, ...inherited } = process.env;
    return spawnSync(process.execPath, [TEST, file], {
      env: { ...inherited, PATH: folder, KEYHOLD_TEST_POSTGRES: 'postgres://127.0.0.1:1/none', ...env },
      encoding: 'utf8',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

it('ends its output as node:test does, says beside it what was missing, and fails for that in CI', () => {
  for (const [env, expected] of [
    [{}, 0],
    [{ CI: 'true' }, 1],
  ] as const) {
    const { status, stdout, stderr } = runOne(env);
    assert.match(stdout, /pass 1\n.*duration_ms [\d.]+\n$/s);
    assert.match(stderr, /^not run: strace: /m);
    assert.equal(status, expected, stderr);
  }
});
