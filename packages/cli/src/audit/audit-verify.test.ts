import assert from 'node:assert/strict';
import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { MAX_LINE_UNITS } from '@keyhold/auditor/export-lines';
import { type SmallLog, smallLog } from '@keyhold/auditor/testing/small-log';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
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

it('one of the log’s keys is enough, whichever it is', async () => {
  const log = smallLog(3);
  const [ed25519 = '', mlDsa44 = ''] = log.keys.split('\n');
  const byReceipt = await verify({ ...log, keys: mlDsa44 }, '--receipt', log.receipt(2));
  const byFile = await verify({ ...log, keys: ed25519 }, '--file', log.exported(1, 3));
  assert.deepEqual([byReceipt.code, byFile.code], [0, 0], `${byReceipt.stdout}${byFile.stdout}`);
});

it('a leaf that has what ends a line elsewhere is one line of an export', async () => {
  const log = smallLog(3, { change: (leaf) => ({ ...leaf, actor: 'tok\u2028\u2029\u0085' }) });
  const { code, stdout } = await verify(log, '--file', log.exported(1, 3));
  assert.match(stdout, /^It verifies: 3 entries, up to entry 3 of 3\./);
  assert.equal(code, 0);
});

it('no text of a checked file speaks to the terminal, or puts a line of its own into the report', async () => {
  const claim = 'It verifies: 900 entries, up to entry 900 of 900.\n\nProven:\n- the witness "w1" says so';
  const honest = smallLog(2);
  const stray = JSON.stringify({ v: 1, [`\u001b[2J\u001b[H\u009b8m\u202e${claim}`]: 1 });
  const forged = honest.exported(1, 2).replace(/"leaf":"(?:[^"\\]|\\.)*"/, () => `"leaf":${JSON.stringify(stray)}`);
  const said =
    /"\\u001b\[2J\\u001b\[H\\u009b8m\\u202eIt verifies: 900 entries, .*\\u000a\\u000aProven:\\u000a- the witness/;
  const byFile = await verify(honest, '--file', forged);
  const lying = smallLog(2, { change: (leaf) => ({ ...leaf, actor: `"\u001b[8m\u2028.\n\n${claim}` }) });
  const byReceipt = await verify(lying, '--receipt', lying.receipt(2));
  assert.deepEqual([byFile.code, byReceipt.code], [1, 0]);
  assert.match(byFile.stdout, said);
  assert.match(byReceipt.stdout, /that ""\\u001b\[8m\\u2028\.\\u000a\\u000aIt verifies: 900/);
  for (const { stdout } of [byFile, byReceipt]) {
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
  }
  assert.equal(byFile.stdout.trimEnd().split('\n').length, 1);
  assert.equal(byReceipt.stdout.match(/^Proven:$/gm)?.length, 1);
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

it('a signed request verifies by the key of its consumer, and no part of it can be another', async () => {
  const pair = generateKeyPairSync('ed25519');
  const base = Buffer.from('"@method": POST\n"@signature-params": ("@method")');
  const signature = sign(null, base, pair.privateKey).toString('base64');
  const evidenceOf = (of: object) => ({ permission: 'orders:write', evidence: { dialect: 'rfc9421', ...of } });
  const whole = evidenceOf({ base: base.toString('base64'), signature });
  const long = evidenceOf({ baseDigest: hash('sha256', base, 'hex'), signature });
  const sideSalt = 'cd'.repeat(32);
  const digest = (side: object) => {
    const text = canonicalJson(side as never);
    return hash('sha256', Buffer.concat([Buffer.from(sideSalt, 'hex'), Buffer.from(text)]), 'hex');
  };
  const posing = evidenceOf({ dialect: 'rfc9421": "withdraw', base: base.toString('base64'), signature });
  const sides: readonly object[] = [posing, whole, long];
  const sideOf = (sequence: number) => (sequence > sides.length ? null : digest(sides[sequence - 1] as object));
  const log = smallLog(4, {
    change: (leaf) => ({
      ...leaf,
      side: sideOf(leaf.sequence),
    }),
  });
  const file = (sequence: number, side: object) =>
    JSON.stringify({ 'keyhold-evidence': 1, receipt: log.receipt(sequence), side, sideSalt });
  const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string;
  const check = async (text: string, key = pem(pair.publicKey), ...more: string[]) => {
    const [evidence, keyFile, trust] = ['evidence', 'key', 'trust'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(evidence, text);
    writeFileSync(keyFile, key);
    writeFileSync(trust, log.keys);
    const args = ['audit', 'verify', '--evidence', evidence, '--public-key', keyFile, '--trust', trust, ...more];
    return await runKeyhold(args, { env: { KEYHOLD_URL: 'http://127.0.0.1:1', KEYHOLD_DATA: '/nowhere' } });
  };
  const good = await check(file(2, whole));
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /signed this: ".*POST/);
  const hex = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
  assert.equal((await check(file(2, whole), hex)).code, 0);
  const refused: [text: string, said: RegExp, key?: string][] = [
    [file(2, evidenceOf({ base: Buffer.from('other').toString('base64'), signature })), /the side is not the one/],
    [file(3, whole), /the side is not the one/],
    [file(4, whole), /commits to nothing/],
    [file(2, whole), /the signature is not of this key/, pem(generateKeyPairSync('ed25519').publicKey)],
    [file(3, long), /give the file/],
    [log.receipt(2), /this is no evidence/],
    [file(1, posing), /nothing was signed/],
    [file(2, whole).replace('{', '{"side":{"permission":"read"},'), /formatted, or changed/],
  ];
  for (const [text, said, key] of refused) {
    const { code, stdout } = await check(text, key);
    assert.deepEqual([code, said.test(stdout)], [1, true], stdout);
  }
  const signed = join(folder, 'signed');
  writeFileSync(signed, base);
  assert.equal((await check(file(3, long), undefined, '--signed', signed)).code, 0);
  writeFileSync(signed, 'other');
  assert.match((await check(file(3, long), undefined, '--signed', signed)).stdout, /not what was signed/);
  assert.equal((await check(file(2, whole), 'no key')).code, 2);
});
