import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { appendBatch, exportFile } from './export-target.ts';

it('a line that a crash cut off goes, and its batch is written again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  try {
    const file = exportFile(join(folder, 'exports'), 'log');
    const batch = (lines: string) => ({ from: 1, to: 1, atMs: 0, lines });
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
