import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkWholeChain } from './testing/whole-chain.ts';
import { createPlace } from './testing/databases.ts';
import { createMarket } from './testing/market.ts';
import { haveStrace } from './testing/missing-part.ts';
import { startOwnPostgres } from './testing/own-postgres.ts';
import { POSTGRES_URL } from './testing/postgres.ts';
import { controlProcess, startProcessInstallation } from './testing/process-installation.ts';
import { freePort, type StartFailed, startProcess } from './testing/processes.ts';
import { TRACE, type TracedReply, tracedReplies } from './testing/sync-trace.ts';

const ONE_BY_ONE = 8;
const AT_ONCE = 24;
/** What the walk below asks for that is a change: token, project, environment, consumer, then keys. */
const CHANGES = 4 + 2 * ONE_BY_ONE + AT_ONCE;

const WITHOUT_SYNC = new URL('./testing/without-sync.ts', import.meta.url).href;

/** Changes on a control plane under strace, one after another and then many at once, so that they share commits. */
async function traceChanges(imports: readonly string[]): Promise<TracedReply[]> {
  await using place = await createPlace('sqlite');
  const file = `${place.folder}/trace`;
  await using installation = await startProcessInstallation(place, { wrapper: [...TRACE, '-o', file], imports });
  const market = await createMarket(installation);
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const { keyId } = await market.issue();
    const { status } = await installation.call('POST', `/v1/keys/${keyId}/suspend`);
    assert.equal(status, 200);
  }
  await Promise.all(Array.from({ length: AT_ONCE }, () => market.issue()));
  await installation.control.stop();
  return tracedReplies(readFileSync(file, 'utf8'));
}

describe('what is acknowledged is on the disk (sqlite, under strace)', () => {
  it('syncs the log between each change and its reply', async (t) => {
    if (!haveStrace(t)) return;
    const replies = await traceChanges([]);
    assert.equal(replies.length, CHANGES);
    assert.deepEqual(
      replies.filter(({ synced }) => !synced),
      [],
    );
  });

  it('would find out a store opened with synchronous=OFF', async (t) => {
    if (!haveStrace(t)) return;
    const replies = await traceChanges([WITHOUT_SYNC]);
    assert.equal(replies.length, CHANGES);
    assert.equal(replies.filter(({ synced }) => synced).length, 0);
  });
});

if (POSTGRES_URL !== undefined) {
  describe('what is acknowledged is on the disk (postgres)', () => {
    it('keeps acknowledged changes through a crash of a server whose default is synchronous_commit=off', async () => {
      await using postgres = await startOwnPostgres(['synchronous_commit=off', 'wal_writer_delay=10s']);
      await using place = await createPlace('sqlite');
      await using installation = await startProcessInstallation({ ...place, databaseUrl: postgres.url });
      const market = await createMarket(installation);
      const keys = [];
      for (let i = 0; i < ONE_BY_ONE; i++) keys.push((await market.issue()).keyId);
      await postgres.crash();
      await installation.control.kill();
      await postgres.start();
      await installation.startControl();
      for (const id of keys) {
        assert.equal((await installation.call('GET', `/v1/keys/${id}`)).status, 200, `acknowledged and gone: ${id}`);
      }
      await checkWholeChain(installation);
    });

    it('refuses to start on a server that never syncs (fsync=off), and says so', async () => {
      await using postgres = await startOwnPostgres(['fsync=off']);
      await using place = await createPlace('sqlite');
      const start = async () => {
        await using _started = await startProcess(
          controlProcess({ ...place, databaseUrl: postgres.url }, await freePort()),
        );
      };
      await assert.rejects(start(), (error: StartFailed) => {
        assert.equal(error.exitCode, 2);
        assert.match(error.output, /fsync/);
        return true;
      });
    });
  });
}
