import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { systemClock } from '../clock.ts';
import { createPlace } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { isOwnOrFree, readKeyFile, removeKeyFile, settleKeyFile, writeKeyFile } from './file-seal.ts';
import { Hsm } from './hsm.ts';
import { SealGate } from './seal-gate.ts';
import { newKeyBytes } from './wrapped-key.ts';

describe('the key file of a seal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;
  /** A key file in its place, with the parameters of its seal. */
  const fresh = () => {
    const file = join(folder, `${++count}`, 'root.key');
    const key = newKeyBytes();
    const parameters = writeKeyFile(file, key);
    settleKeyFile(file, parameters.check);
    return { file, key, parameters };
  };

  it('is for its owner alone, in a folder for its owner alone, with nothing beside it', () => {
    const { file, key } = fresh();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(file)).mode & 0o777, 0o700);
    assert.equal(readFileSync(file, 'utf8'), `${key.toString('base64')}\n`);
    assert.deepEqual(readdirSync(dirname(file)), ['root.key']);
  });

  it('gives the same key each time, and its check is not the key', () => {
    const { file, key, parameters } = fresh();
    for (let i = 0; i < 2; i++) assert.ok(readKeyFile(file, parameters).equals(key));
    assert.ok(!JSON.stringify(parameters).includes(key.toString('hex')));
  });

  it('is refused when others can read it, in its place or waiting, and the refusal says what to do', () => {
    for (const mode of [0o640, 0o604, 0o660, 0o666, 0o610]) {
      const { file, parameters } = fresh();
      chmodSync(file, mode);
      assert.throws(() => readKeyFile(file, parameters), {
        name: 'KeyFileError',
        message: new RegExp(`chmod 600 ${file}`),
      });
      chmodSync(file, 0o600);
      writeKeyFile(file, newKeyBytes());
      chmodSync(`${file}.next`, mode);
      assert.throws(() => readKeyFile(file, parameters), { message: new RegExp(`chmod 600 ${file}\\.next`) });
    }
  });

  it('is never made anew when it is missing', () => {
    const { file, parameters } = fresh();
    rmSync(file);
    assert.throws(() => readKeyFile(file, parameters), {
      name: 'KeyFileError',
      message: /is missing: put it back, or name its place in KEYHOLD_KEY_FILE/,
    });
    assert.equal(existsSync(file), false);
  });

  it('is refused when it belongs to another installation, or is damaged', () => {
    const [own, foreign] = [fresh(), fresh()];
    assert.throws(() => readKeyFile(foreign.file, own.parameters), {
      name: 'KeyFileError',
      message: /belongs to another installation.*KEYHOLD_KEY_FILE/,
    });
    for (const content of ['', 'AAAA\n', randomBytes(64).toString('base64')]) {
      writeFileSync(own.file, content);
      assert.throws(() => readKeyFile(own.file, own.parameters), { message: /does not hold a 256-bit key/ }, content);
    }
  });

  it('gives way to a waiting one only when that one counts', () => {
    const { file, key, parameters } = fresh();
    const next = newKeyBytes();
    const ofNext = writeKeyFile(file, next);
    assert.ok(readKeyFile(file, parameters).equals(key), 'the change was not committed');
    assert.ok(readKeyFile(file, ofNext).equals(next), 'the change was committed, and the process killed after that');
    assert.throws(() => readKeyFile(file, parameters), /another installation/);
    assert.deepEqual(readdirSync(dirname(file)), ['root.key']);
  });

  it('is gone with its waiting one once the seal is another', () => {
    const { file, parameters } = fresh();
    writeKeyFile(file, newKeyBytes());
    removeKeyFile(file, parameters);
    removeKeyFile(file, parameters);
    assert.deepEqual(readdirSync(dirname(file)), []);
  });

  it("is known as its seal's, and goes with it, also where others could read it", () => {
    const { file, parameters } = fresh();
    chmodSync(file, 0o644);
    assert.equal(isOwnOrFree(file, parameters), true);
    removeKeyFile(file, parameters);
    assert.equal(existsSync(file), false);
  });

  it("stays where it is another installation's, whatever becomes of the seal", () => {
    const [{ file, key, parameters }, other] = [fresh(), fresh()];
    removeKeyFile(file, other.parameters);
    assert.ok(readKeyFile(file, parameters).equals(key));
    assert.deepEqual(
      [isOwnOrFree(file, parameters), isOwnOrFree(file, other.parameters), isOwnOrFree(file, null)],
      [true, false, false],
    );
  });

  it('that the system does not let be written or read is refused by its name and why, and the seal stays', async () => {
    await using place = await createPlace('sqlite');
    await using own = await openOwnVault(place);
    const caller = { actor: 'tok_test' };
    const none = join(folder, 'no-folder');
    writeFileSync(none, '');
    const means = (keyFile: string) => ({ keyFile, hsm: new Hsm({ clock: systemClock, environment: {} }) });
    const nothing = () => {};
    await own.gate.change(caller, { kind: 'passphrase', passphrase: 'long enough for this' });
    const elsewhere = new SealGate(own.vault, means(join(none, 'root.key')), nothing, nothing);
    const refused = await elsewhere.change(caller, { kind: 'file' });
    assert.ok(isRefusal(refused));
    assert.equal(refused.refused, 'INVALID_INPUT');
    assert.match(
      refused.detail,
      new RegExp(`${none}/root\\.key\\.next cannot be used \\((?:ENOTDIR|EEXIST), mkdir\\)`),
    );
    const seal = await own.gate.show();
    assert.deepEqual(!isRefusal(seal) && [seal.kind, seal.sealed], ['passphrase', false]);
    mkdirSync(own.keyFile);
    const taken = await own.gate.change(caller, { kind: 'file' });
    assert.ok(isRefusal(taken) && /root\.key cannot be used \(EISDIR, read\)/.test(taken.detail));
    rmdirSync(own.keyFile);
    assert.ok(!isRefusal(await own.gate.change(caller, { kind: 'file' })));
    await own.gate.close(caller);
    rmSync(own.keyFile);
    mkdirSync(own.keyFile, { mode: 0o700 });
    const unread = await own.gate.unseal(caller, {});
    assert.ok(isRefusal(unread));
    assert.equal(unread.refused, 'UNSEAL_REFUSED');
    assert.match(unread.detail, /root\.key cannot be used \(EISDIR, read\)/);
  });
});
