import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { MAX_LINE_UNITS } from '@keyhold/auditor/export-lines';
import { type SmallLog, smallLog } from '@keyhold/auditor/testing/small-log';
import type { Leaf } from '@keyhold/protocol/leaf';
import { runKeyhold } from '../testing/run-keyhold.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
after(() => rmSync(folder, { recursive: true }));

/** Writes it to a file and checks that, with no server anywhere. */
async function verify({ keys }: SmallLog, flag: '--file' | '--receipt', text: string) {
  const [file, trust] = [join(folder, 'file'), join(folder, 'trust')];
  writeFileSync(file, text);
  writeFileSync(trust, keys);
  const env = { KEYHOLD_URL: 'http://127.0.0.1:1', KEYHOLD_DATA: '/nowhere' };
  const { code, stdout, stderr } = await runKeyhold(['audit', 'verify', flag, file, '--trust', trust], { env });
  assert.equal(stderr, '');
  return { code, stdout };
}

it('a leaf that has what ends a line elsewhere is one line of an export', async () => {
  const log = smallLog(3, { change: (leaf) => ({ ...leaf, actor: 'tok\u2028\u2029\u0085' }) });
  const { code, stdout } = await verify(log, '--file', log.exported(1, 3));
  assert.match(stdout, /^It verifies: 3 entries, up to entry 3 of 3\./);
  assert.equal(code, 0);
});

it('a line that is longer than any is refused by name', async () => {
  const log = smallLog(3);
  const long = 'x'.repeat(MAX_LINE_UNITS + 1);
  const behind = await verify(log, '--file', `${log.exported(1, 2)}${long}`);
  assert.match(behind.stdout, /^IT DOES NOT VERIFY\. At entry 3: line 4 is longer than 1048576 characters/);
  assert.equal(behind.code, 1);
  const alone = await verify(log, '--file', long);
  assert.match(alone.stdout, /line 1 is longer than/);
  assert.equal(alone.code, 1);
});

it('what is no leaf, side, header or log of its installation is refused, and nothing crashes', async () => {
  const broken = smallLog(3, { change: (leaf) => ({ ...leaf, changes: [null] }) as unknown as Leaf });
  const other = smallLog(3, { change: (leaf) => ({ ...leaf, installation: 'inst_other' }) });
  const sided = smallLog(3, { change: (leaf) => ({ ...leaf, side: 'ab'.repeat(32) }) });
  const lone = sided
    .exported(1, 3)
    .replace(
      '"side":null,"sideSalt":null,"sideState":"erased"',
      `"side":{"note":"\\ud800"},"sideSalt":"${'cd'.repeat(32)}","sideState":"shown"`,
    );
  const headless = smallLog(3).exported(1, 3).replace('"checkpoint":"', '"checkpoint":7,"rest":"');
  const cases: [log: SmallLog, flag: '--file' | '--receipt', text: string, said: RegExp][] = [
    [broken, '--file', broken.exported(1, 3), /At entry 1: the leaf cannot be read/],
    [broken, '--receipt', broken.receipt(2), /the entry cannot be read/],
    [sided, '--file', lone, /At entry 1: the side that is shown/],
    [other, '--file', other.exported(1, 3), /installation "inst_other"/],
    [other, '--receipt', other.receipt(2), /installation "inst_other"/],
    [smallLog(3), '--file', headless, /does not begin as an export does/],
  ];
  for (const [log, flag, text, said] of cases) {
    const { code, stdout } = await verify(log, flag, text);
    assert.match(stdout, said);
    assert.match(stdout, /^IT DOES NOT VERIFY/);
    assert.equal(code, 1);
  }
});
