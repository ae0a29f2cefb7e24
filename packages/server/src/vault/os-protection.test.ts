import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlace } from '../testing/databases.ts';
import { startProcessInstallation } from '../testing/process-installation.ts';
import { type StartFailed, startProcess } from '../testing/processes.ts';

const CORE_DUMP = /a core dump of this process would hold its memory/;

/** `/proc` as a container may have it. */
const READ_ONLY_PROC = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const { writeFileSync } = fs;
  fs.writeFileSync = (file, ...rest) => {
    if (String(file).startsWith('/proc/')) throw new Error('EROFS');
    writeFileSync(file, ...rest);
  };
  syncBuiltinESMExports();
`)}`;

describe('each process of an installation', { skip: process.platform === 'linux' ? false : 'Linux has /proc' }, () => {
  it('leaves all of its memory out of core dumps, and makes no file that is open to others', async () => {
    await using place = await createPlace('sqlite');
    // What it inherits is looser.
    const before = process.umask(0o000);
    await using installation = await startProcessInstallation(place, { env: { KEYHOLD_LOG_LEVEL: 'warn' } });
    process.umask(before);
    await installation.startVerifier();
    assert.doesNotMatch(installation.control.output(), CORE_DUMP);
    for (const { pid } of [installation.control, installation.verifier]) {
      assert.match(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8').trim(), /^0+$/);
      assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Umask:\s+0077$/m);
    }
    for (const name of ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm', 'bootstrap-token'])
      assert.equal((statSync(join(place.folder, name)).mode & 0o777).toString(8), '600', name);
    assert.equal((statSync(installation.config.keyFile as string).mode & 0o777).toString(8), '600');
  });

  it('warns of a core dump that would hold memory and of a password in its environment, which it does not repeat', async () => {
    const env = { KEYHOLD_LOG_LEVEL: 'warn', KEYHOLD_REDIS_URL: 'redis://:hunter2@cache:6379' };
    // It ends before it serves, once it has warned: nothing else is asked of it.
    const start = startProcess({ args: ['restore'], env, imports: [READ_ONLY_PROC] });
    const { output } = (await start.catch((error: unknown) => error)) as StartFailed;
    assert.match(output, CORE_DUMP);
    assert.match(output, /KEYHOLD_REDIS_URL holds a password/);
    assert.doesNotMatch(output, /hunter2/);
  });
});
