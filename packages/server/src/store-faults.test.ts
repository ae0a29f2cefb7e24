import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createPlace } from './testing/databases.ts';
import { injectFault, mountSmallDisk } from './testing/disk-faults.ts';
import { surviveFault } from './testing/fault-scenario.ts';
import { createMarket } from './testing/market.ts';
import { have, haveStrace } from './testing/missing-part.ts';
import { startOwnPostgres } from './testing/own-postgres.ts';
import { POSTGRES_URL } from './testing/postgres.ts';
import { startProcessInstallation } from './testing/process-installation.ts';

const MOST_STILL = 30;
/** As text within the one MiB that a request may have. */
const LARGE = 700_000;

describe('a store that fails under load refuses changes, loses none and recovers without a restart (sqlite)', () => {
  it('on a full disk', async (t) => {
    await using disk = mountSmallDisk('24m');
    if (!have(t, 'a tmpfs to fill (only root may mount one)', disk !== null) || disk === null) return;
    await surviveFault(t, disk.place, async () => disk.fill());
  });

  it('on a full disk, of which one change needs more than the cache holds', async (t) => {
    await using disk = mountSmallDisk('24m');
    if (!have(t, 'a tmpfs to fill (only root may mount one)', disk !== null) || disk === null) return;
    await using installation = await startProcessInstallation(disk.place);
    await createMarket(installation);
    const store = async (path: string): Promise<number> => {
      const data = { large: randomBytes(LARGE).toString('base64') };
      const body = { project: 'market', environment: 'test', path, data };
      return (await installation.call('POST', '/v1/secrets', body)).status;
    };
    assert.equal(await store('before'), 201);
    {
      await using _full = await disk.fill();
      // What the log of writes has room for by then still goes in.
      let status = 201;
      for (let i = 0; i < MOST_STILL && status === 201; i++) status = await store(`still-${i}`);
      assert.equal(status, 503);
      assert.deepEqual(await Promise.all(['one', 'two', 'three'].map(store)), [503, 503, 503]);
    }
    assert.equal(await store('after'), 201);
  });

  it('on a disk that has become read-only', async (t) => {
    if (!haveStrace(t)) return;
    await using place = await createPlace('sqlite');
    const files = ['keyhold.db', 'keyhold.db-wal'].map((name) => join(place.folder, name));
    const calls = 'pwrite64,write,ftruncate:error=EROFS';
    await surviveFault(t, place, ({ control }) => injectFault(control.pid, files, calls));
  });

  it('on a disk whose syncs fail', async (t) => {
    if (!haveStrace(t)) return;
    await using place = await createPlace('sqlite');
    const files = ['keyhold.db', 'keyhold.db-wal'].map((name) => join(place.folder, name));
    await surviveFault(t, place, ({ control }) => injectFault(control.pid, files, 'fdatasync,fsync:error=EIO'));
  });
});

if (POSTGRES_URL !== undefined) {
  describe('a store that fails under load refuses changes, loses none and recovers without a restart (postgres)', () => {
    it('when the server crashes and is started again', async (t) => {
      await using postgres = await startOwnPostgres();
      await using place = await createPlace('sqlite');
      await surviveFault(t, { ...place, databaseUrl: postgres.url }, async () => {
        await postgres.crash();
        return { [Symbol.asyncDispose]: () => postgres.start() };
      });
    });

    it('when the server has become read-only', async (t) => {
      await using place = await createPlace('postgres');
      await surviveFault(t, place, async () => {
        await setReadOnly(place.databaseUrl as string, 'on');
        return { [Symbol.asyncDispose]: () => setReadOnly(place.databaseUrl as string, 'off') };
      });
    });
  });
}

/** As a failover to a standby looks from here: sessions are cut off, and new ones may only read. */
async function setReadOnly(databaseUrl: string, onOrOff: 'on' | 'off'): Promise<void> {
  const name = new URL(databaseUrl).pathname.slice(1);
  const client = new pg.Client({ connectionString: POSTGRES_URL });
  await client.connect();
  try {
    await client.query(`alter database ${name} set default_transaction_read_only = ${onOrOff}`);
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  } finally {
    await client.end();
  }
}
