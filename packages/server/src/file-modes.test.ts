import assert from 'node:assert/strict';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readConfig } from './config.ts';
import { runDrill, runRestore } from './backup/restore-command.ts';
import { refuseLooseHanded } from './file-modes.ts';
import { createPlace } from './testing/databases.ts';
import { startInstallation, testConfig } from './testing/installation.ts';
import { createLog } from './http/log.ts';
import { startVerifierProcess } from './verification/verifier-process.ts';

const LOOSE = [0o604, 0o640, 0o602, 0o620, 0o666];

describe('a start', () => {
  it('is refused where a file of the data, its head record or a token is open to others', async () => {
    await using place = await createPlace('sqlite');
    await using running = await startInstallation(place);
    const { config } = running;
    await running.call('POST', '/v1/projects', { slug: 'one', name: 'One' });
    const files = readdirSync(place.folder).filter((name) => /^keyhold\.db|-token$|\.head$/.test(name));
    for (const kind of [/\.db$/, /\.db-wal$/, /\.db-shm$/, /^bootstrap-token$/, /^verifier-token$/, /\.head$/])
      assert.ok(
        files.some((name) => kind.test(name)),
        `${kind} is there`,
      );
    await running[Symbol.asyncDispose]();
    // What a killed process leaves is looked at as well.
    for (const name of files) writeFileSync(join(place.folder, name), '', { flag: 'a', mode: 0o600 });
    for (const [i, name] of files.entries()) {
      const file = join(place.folder, name);
      chmodSync(file, LOOSE[i % LOOSE.length] as number);
      await assert.rejects(startInstallation(place), { name: 'LooseModes', message: new RegExp(`chmod 600 ${file}$`) });
      chmodSync(file, 0o600);
    }
    await using _again = await startInstallation(place, config);
  });

  it('of a verifier is refused where its token is open to others', async () => {
    await using place = await createPlace('sqlite');
    const tokenFile = join(place.folder, 'feed-token');
    writeFileSync(tokenFile, 'none');
    for (const mode of [0o644, 0o660, 0o602]) {
      chmodSync(tokenFile, mode);
      const config = testConfig(place, { controlUrl: 'http://127.0.0.1:1', tokenFile });
      await assert.rejects(startVerifierProcess(config, createLog('silent', 'test')), { name: 'LooseModes' });
    }
  });

  it('is refused where a TLS key is open to more than to read for its group', async () => {
    await using place = await createPlace('sqlite');
    const [certificateFile, keyFile] = [join(place.folder, 'cert'), join(place.folder, 'key')];
    for (const file of [certificateFile, keyFile]) writeFileSync(file, '');
    for (const mode of [0o644, 0o660, 0o602]) {
      chmodSync(keyFile, mode);
      const starting = startInstallation(place, { tls: { certificateFile, keyFile } });
      await assert.rejects(starting, { name: 'LooseModes', message: new RegExp(`chmod 640 ${keyFile}$`) });
    }
    chmodSync(keyFile, 0o640);
    refuseLooseHanded('TLS key', keyFile);
  });

  it('is refused where the key file would lie in the data folder, by name or because none is named', () => {
    const env = { KEYHOLD_DATA: '/srv/keyhold', XDG_DATA_HOME: '/home/k' };
    for (const file of ['/srv/keyhold/root.key', '/srv/keyhold/keys/root.key', '/srv/keys/../keyhold/root.key'])
      assert.throws(() => readConfig(['serve'], { ...env, KEYHOLD_KEY_FILE: file }), /whoever takes that has both/);
    const within = { KEYHOLD_DATA: '/home/k' };
    assert.throws(() => readConfig(['serve'], { ...env, ...within }), /whoever takes that has both/);
    for (const file of ['/srv/root.key', '/srv/keyhold.key', '/srv/..keyhold/k'])
      assert.equal(readConfig(['serve'], { ...env, KEYHOLD_KEY_FILE: file }).keyFile, file);
    assert.equal(readConfig(['verifier'], { ...env, ...within }).keyFile, undefined);
  });
});

describe('a restore', () => {
  it('is refused where its identity, what opens the seal or the folder that it goes to is open to others', async () => {
    await using place = await createPlace('sqlite');
    const file = (name: string) => join(place.folder, name);
    const [identityFile, share, other] = [file('identity'), file('share'), file('other')];
    // The backup itself is encrypted: nobody asks who may read it.
    for (const name of [file('backup'), identityFile, share, other]) writeFileSync(name, '', { mode: 0o600 });
    const restore = { input: file('backup'), identityFile, drill: false, inputFiles: [] };
    const config = testConfig({ ...place, folder: file('data') }, { command: 'restore', restore });
    const drill = { ...config, restore: { ...restore, drill: true, inputFiles: [other, share] } };
    const refused = (command: string) => ({ name: 'LooseModes', message: new RegExp(`${command}$`) });
    for (const mode of LOOSE) {
      chmodSync(identityFile, mode);
      await assert.rejects(runRestore(config), refused(`chmod 600 ${identityFile}`));
      await assert.rejects(runDrill(drill), refused(`chmod 600 ${identityFile}`));
      chmodSync(identityFile, 0o600);
      chmodSync(share, mode);
      await assert.rejects(runDrill(drill), refused(`chmod 600 ${share}`));
      chmodSync(share, 0o600);
    }
    chmodSync(config.dataFolder, 0o750);
    await assert.rejects(runRestore(config), refused(`chmod 700 ${config.dataFolder}`));
    chmodSync(config.dataFolder, 0o700);
    await assert.rejects(runRestore(config), /holds no age identity/);
  });
});
