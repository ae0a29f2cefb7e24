import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { HeadRecord } from './head-record.ts';

it('the record of the newest entry says what was written last, also where that is an older one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-head-'));
  const path = join(folder, 'newest.head');
  const mark = (sequence: number) => ({ installation: 'inst_1', sequence, hash: 'ab' });
  for (const sequences of [[4_999, 5_000], [3_001], [3_002, 3_003, 3_004]]) {
    const { record } = HeadRecord.open(path);
    for (const sequence of sequences) record.write(mark(sequence));
    record[Symbol.dispose]();
    const read = HeadRecord.open(path);
    assert.deepEqual(read.mark, mark(sequences.at(-1) as number));
    read.record[Symbol.dispose]();
  }
  rmSync(folder, { recursive: true });
});
