import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { it } from 'node:test';
import { createPlace } from '@keyhold/server/testing/databases';
import { startInstallation } from '@keyhold/server/testing/installation';
import { have } from '@keyhold/server/testing/missing-part';
import { cleanEnvironment, MAIN } from './testing/run-keyhold.ts';

/** Runs the command at a terminal of its own, types `keys` once it asks, and gives back all that the terminal showed. */
async function atTerminal(args: string, env: Readonly<Record<string, string>>, asks: string, keys: string) {
  const command = `'${process.execPath}' '${MAIN}' ${args}`;
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null'], {
    env: cleanEnvironment(env),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const before = shown.includes(asks);
    shown += text;
    if (!before && shown.includes(asks)) child.stdin.write(keys);
  });
  const [code] = await once(child, 'close');
  return { code, shown };
}

it('what opens the seal is not shown where it is typed, and Enter ends it', async (t) => {
  if (!have(t, 'script (util-linux)', spawnSync('script', ['--version']).status === 0)) return;
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const passphrase = `${randomBytes(12).toString('hex')} \u00fc`;
  const change = { kind: 'passphrase', passphrase };
  assert.equal((await installation.call('POST', '/v1/seal/change', change)).status, 200);
  const env = { KEYHOLD_URL: installation.controlUrl, KEYHOLD_DATA: place.folder };
  for (const [typed, status, answer] of [
    [`${passphrase}x\r`, 1, /UNSEAL_REFUSED/],
    [`${passphrase}\u0003`, 130, /^/],
    [`${passphrase}xy\u007f\b\r`, 0, /state +unsealed/],
    [`wrong\u0015${passphrase}\u001b[D\u001bOA\r`, 0, /state +unsealed/],
  ] as const) {
    assert.equal((await installation.call('POST', '/v1/seal')).status, 200);
    const { code, shown } = await atTerminal('seal open', env, 'passphrase: ', typed);
    assert.equal(code, status, shown);
    assert.match(shown, answer);
    assert.ok(!shown.includes(passphrase.slice(0, 8)), shown);
    await installation.call('POST', '/v1/unseal', { passphrase });
  }
});

it('a new passphrase is typed twice, and one that was mistyped once changes nothing', async (t) => {
  if (!have(t, 'script (util-linux)', spawnSync('script', ['--version']).status === 0)) return;
  await using place = await createPlace('sqlite');
  await using installation = await startInstallation(place);
  const env = {
    KEYHOLD_URL: installation.controlUrl,
    KEYHOLD_TOKEN: installation.bootstrapToken,
    KEYHOLD_DATA: place.folder,
  };
  const kind = async () => (await installation.call('GET', '/v1/seal')).body.kind;
  const passphrase = randomBytes(12).toString('hex');
  const mistyped = `${passphrase}\r${passphrase}x\r`;
  const refused = await atTerminal('seal change --kind passphrase', env, 'passphrase: ', mistyped);
  assert.equal(refused.code, 2, refused.shown);
  assert.match(refused.shown, /passphrase again: [\s\S]*the two are not the same/);
  assert.equal(await kind(), 'file');
  const typed = `${passphrase}\r${passphrase}\r`;
  const { code, shown } = await atTerminal('seal change --kind passphrase', env, 'passphrase: ', typed);
  assert.equal(code, 0, shown);
  assert.equal(await kind(), 'passphrase');
  assert.ok(!shown.includes(passphrase.slice(0, 8)), shown);
});
