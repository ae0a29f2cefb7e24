import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createLog } from '../http/log.ts';
import { startControlPlane } from '../app.ts';
import { createPlace } from '../testing/databases.ts';
import { testConfig } from '../testing/installation.ts';
import { openRootKey } from './root-key.ts';

describe('the root key file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;
  const fresh = () => join(folder, `${++count}`, 'root.key');

  it('is made at the first start, for its owner alone, with 256 random bits', () => {
    const [one, two] = [fresh(), fresh()];
    assert.notEqual(openRootKey(one, null).check, openRootKey(two, null).check);
    assert.equal(statSync(one).mode & 0o777, 0o600);
    assert.equal(statSync(join(one, '..')).mode & 0o777, 0o700);
    assert.equal(Buffer.from(readFileSync(one, 'utf8'), 'base64').length, 32);
    assert.deepEqual(readdirSync(join(one, '..')), ['root.key']);
  });

  it('gives the same keys each time, another for each purpose, and a check that is none of them', () => {
    const file = fresh();
    const { check, derive } = openRootKey(file, null);
    const again = openRootKey(file, check);
    assert.ok(derive('cursor').equals(again.derive('cursor')));
    assert.equal(derive('cursor').equals(derive('other')), false);
    assert.equal(derive('root-key-check').export().toString('hex') === check, false);
  });

  it('is refused when others can read it, and the refusal says what to do', () => {
    const file = fresh();
    openRootKey(file, null);
    for (const mode of [0o640, 0o604, 0o660, 0o666]) {
      chmodSync(file, mode);
      assert.throws(() => openRootKey(file, null), { message: new RegExp(`chmod 600 ${file}`) });
    }
  });

  it('is never made anew for an installation that had one', () => {
    const file = fresh();
    assert.throws(() => openRootKey(file, 'check'), {
      message: /is missing: put it back, or name its place in KEYHOLD_KEY_FILE/,
    });
    assert.equal(existsSync(file), false);
  });

  it('is refused when it belongs to another installation, or is damaged', () => {
    const [own, foreign] = [fresh(), fresh()];
    const { check } = openRootKey(own, null);
    openRootKey(foreign, null);
    assert.throws(() => openRootKey(foreign, check), { message: /belongs to another installation.*KEYHOLD_KEY_FILE/ });
    writeFileSync(own, 'AAAA\n');
    assert.throws(() => openRootKey(own, check), { message: /does not hold a 256-bit key/ });
  });

  it('stops a start with the wrong one, and lies outside the data folder by default', async () => {
    await using place = await createPlace('sqlite');
    const log = createLog('silent', 'test');
    const userDataFolder = join(folder, 'user');
    const config = { ...testConfig(place), keyFile: undefined, userDataFolder };
    await (await startControlPlane(config, log))[Symbol.asyncDispose]();
    const [name = ''] = readdirSync(userDataFolder);
    assert.match(name, /^inst_[0-9a-f-]{36}\.key$/);
    assert.equal(
      readdirSync(place.folder).some((file) => file.endsWith('.key')),
      false,
    );
    rmSync(join(userDataFolder, name));
    await assert.rejects(startControlPlane(config, log), { message: /is missing/ });
  });
});
