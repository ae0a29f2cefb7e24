import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import { createPlace } from '../testing/databases.ts';
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
