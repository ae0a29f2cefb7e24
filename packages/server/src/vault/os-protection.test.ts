import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlace } from '../testing/databases.ts';
import { startProcessInstallation } from '../testing/process-installation.ts';

describe('each process of an installation', { skip: process.platform === 'linux' ? false : 'Linux has /proc' }, () => {
  it('leaves all of its memory out of core dumps, and makes no file that is open to others', async () => {
    await using place = await createPlace('sqlite');
    // What it inherits is looser.
    const before = process.umask(0o000);
    await using installation = await startProcessInstallation(place);
    process.umask(before);
    await installation.startVerifier();
    for (const { pid } of [installation.control, installation.verifier]) {
      assert.match(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8').trim(), /^0+$/);
      assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Umask:\s+0077$/m);
    }
    for (const name of ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm', 'bootstrap-token'])
      assert.equal((statSync(join(place.folder, name)).mode & 0o777).toString(8), '600', name);
    assert.equal((statSync(installation.config.keyFile as string).mode & 0o777).toString(8), '600');
  });
});
