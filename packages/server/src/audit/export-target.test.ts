import assert from 'node:assert/strict';
import fs, { appendFileSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { appendBatch, exportFile } from './export-target.ts';

it('a line that a crash cut off goes, and its batch is written again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  try {
    const file = exportFile(join(folder, 'exports'), 'log');
    const batch = (lines: string) => ({ from: 1, to: 1, hash: '', atMs: 0, lines });
    appendBatch(file, batch('{"a":1}\n{"a":2}\n'));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    for (const torn of ['{"a":3', 'x'.repeat(200_000), '{"a":3}']) {
      appendFileSync(file, torn);
      appendBatch(file, batch('{"a":3}\n'));
      assert.equal(readFileSync(file, 'utf8'), '{"a":1}\n{"a":2}\n{"a":3}\n');
      rmSync(file);
      appendBatch(file, batch('{"a":1}\n{"a":2}\n'));
    }
    rmSync(file);
    appendFileSync(file, 'never a whole line');
    appendBatch(file, batch('{"a":1}\n'));
    assert.equal(readFileSync(file, 'utf8'), '{"a":1}\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('the name of a file, and of its folder, is on the disk before anything is written to it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  const calls: string[] = [];
  for (const name of ['fsyncSync', 'writeSync'] as const) {
    const real = fs[name] as (fd: number, ...rest: unknown[]) => unknown;
    t.mock.method(fs, name, (fd: number, ...rest: unknown[]) => {
      calls.push(`${name} ${readlinkSync(`/proc/self/fd/${fd}`).slice(folder.length)}`);
      return real(fd, ...rest);
    });
  }
  syncBuiltinESMExports();
  try {
    const file = exportFile(join(folder, 'exports'), 'log');
    const written = ['writeSync /exports/log.jsonl', 'fsyncSync /exports/log.jsonl'];
    appendBatch(file, { from: 1, to: 1, hash: '', atMs: 0, lines: '{}\n' });
    assert.deepEqual(calls.splice(0), ['fsyncSync /exports', 'fsyncSync ', ...written]);
    appendBatch(file, { from: 2, to: 2, hash: '', atMs: 0, lines: '{}\n' });
    assert.deepEqual(calls, written);
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
    rmSync(folder, { recursive: true });
  }
});
