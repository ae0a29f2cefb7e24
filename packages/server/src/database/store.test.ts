import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ExplainNode, type Kysely, sql } from 'kysely';
import { findExpired } from '../delivery/deliveries.store.ts';
import { listDestroyed } from '../keys/keys.store.ts';
import { findUndestroyed } from '../secrets/secrets.store.ts';
import { createPlace } from '../testing/databases.ts';
import { run } from './run.ts';
import type { Database, FactTables } from './schema.ts';
import { Scratch } from './scratch.ts';
import type { ScratchTables } from './scratch-tables.ts';
import { openSqlite } from './store.ts';

describe('the SQLite database', () => {
  it('is one whole file after a clean stop: who copies it copies everything', async () => {
    await using place = await createPlace('sqlite');
    const store = await openSqlite(join(place.folder, 'keyhold.db'));
    await store.writer.alone(() =>
      store.writer.transaction((db) => sql`insert into projects values ('proj_1', 'x', 'p', 'p', 0)`.execute(db)),
    );
    assert.equal((await store.reader.selectFrom('projects').selectAll().execute()).length, 1);
    await store[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(place.folder), ['keyhold.db']);
  });

  it('reads what was committed last, also in the turn of the event loop in which it read before', async () => {
    await using place = await createPlace('sqlite');
    await using store = await openSqlite(join(place.folder, 'keyhold.db'));
    const count = () =>
      run(store.reader, sql<{ count: number }>`select count(*) as count from projects`.compile(store.reader));
    const insert = (id: string) =>
      store.writer.transaction((db) => sql`insert into projects values (${id}, 'x', ${id}, 'p', 0)`.execute(db));
    let turns = 0;
    setImmediate(() => turns++);
    const seen: number[] = [];
    for (const id of ['proj_1', 'proj_2', 'proj_3']) {
      seen.push((await count())[0]?.count as number);
      await store.writer.alone(() => insert(id));
    }
    seen.push((await count())[0]?.count as number);
    assert.deepEqual([seen, turns], [[0, 1, 2, 3], 0]);
  });

  it('folds its log back into the database while it is read all the time', async () => {
    await using place = await createPlace('sqlite');
    await using store = await openSqlite(join(place.folder, 'keyhold.db'));
    const read = sql`select 1 from projects`.compile(store.reader);
    const insert = (id: string) =>
      store.writer.transaction(async (db) => {
        await run(store.reader, read);
        await sql`insert into projects values (${id}, 'x', ${id}, ${'p'.repeat(100_000)}, 0)`.execute(db);
      });
    for (let i = 0; i < 200; i++) await store.writer.alone(() => insert(`proj_${i}`));
    // 20 MB were written; the log is begun anew each time that it has 4 MB.
    assert.ok(statSync(join(place.folder, 'keyhold.db-wal')).size < 8_000_000);
  });

  it('walks through nothing that is gone, nor through keys that live, to find what expires, what makes room and what was destroyed', async () => {
    await using place = await createPlace('sqlite');
    await using store = await openSqlite(join(place.folder, 'keyhold.db'));
    const plans: unknown[] = [];
    const explained = store.reader.withPlugin({
      transformQuery: ({ node }) =>
        ({ ...node, explain: ExplainNode.create(undefined, sql`query plan`.toOperationNode()) }) as typeof node,
      transformResult: async ({ result }) => {
        plans.push(...result.rows.map(({ detail }) => detail));
        return result;
      },
    });
    await findExpired(explained, 0, '', 40);
    await findUndestroyed(explained, 'sec_1', 9, 20);
    assert.match(`${plans[0]}`, /deliveries_waiting/);
    assert.match(`${plans[1]}`, /secret_versions_undestroyed/);
    await listDestroyed(explained, 'key_1', 500);
    assert.match(`${plans[2]}`, /keys_destroyed/);
    assert.equal(plans.length, 3, `${plans}`);
  });

  it('sets nothing aside in temporary files, by whichever connection', async () => {
    await using place = await createPlace('sqlite');
    await using store = await openSqlite(join(place.folder, 'keyhold.db'));
    const kept = async (db: Kysely<Database>) => (await sql`pragma temp_store`.execute(db)).rows;
    const inMemory = [{ temp_store: 2 }];
    assert.deepEqual(await store.writer.alone(() => store.writer.transaction(kept)), inMemory, 'writing');
    assert.deepEqual(await kept(store.reader), inMemory, 'reading');
    assert.deepEqual(await store.readSnapshot(kept), inMemory, 'of a snapshot');
  });

  it('shows a snapshot that does not change while others write', async () => {
    await using place = await createPlace('sqlite');
    await using store = await openSqlite(join(place.folder, 'keyhold.db'));
    await store.readSnapshot(async (db) => {
      const before = await db.selectFrom('projects').selectAll().execute();
      await store.writer.alone(() =>
        store.writer.transaction((own) => sql`insert into projects values ('proj_1', 'x', 'p', 'p', 0)`.execute(own)),
      );
      assert.deepEqual(await db.selectFrom('projects').selectAll().execute(), before);
    });
  });
});

it('scratch has no fact and no entry to write: its type does not compile there', async () => {
  await using place = await createPlace('sqlite');
  await using store = await openSqlite(join(place.folder, 'keyhold.db'));
  const facts: keyof ScratchTables & keyof FactTables extends never ? 0 : 1 = 0;
  await new Scratch(store).write(async (tables) => {
    tables.deleteFrom('quota_usage');
    // @ts-expect-error: a fact is written with its entry
    tables.deleteFrom('keys');
    // @ts-expect-error: an entry is for good
    tables.deleteFrom('entries');
  });
  assert.equal(facts, 0);
});
