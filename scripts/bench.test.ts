import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

function bench(...args: string[]) {
  const env = { ...process.env, KEYHOLD_BENCH_QUICK: '1' };
  return spawnSync(process.execPath, ['bench/main.ts', ...args], { cwd: ROOT, env, encoding: 'utf8' });
}

describe('npm run bench', () => {
  it('measures what it is asked for alone, and for programs writes one object a line', () => {
    const { status, stdout, stderr } = bench('--json', 'replay-bytes');
    assert.equal(status, 0, stderr);
    const [figure, ...more] = stdout.trimEnd().split('\n');
    assert.deepEqual(more, []);
    const { value, yardstick, ratio, ...said } = JSON.parse(figure as string);
    assert.deepEqual(said, { name: 'replay-bytes', unit: 'bytes per live nonce' });
    for (const number of [value, yardstick, ratio]) assert.equal(typeof number, 'number', figure);
  });

  it('says which figures there are when asked for another, and measures none', () => {
    const { status, stdout, stderr } = bench('replay-bytes', 'reply-bytes');
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /^no such figure: reply-bytes; there are verify-embedded, .*replay-bytes/);
  });
});
