import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Clock } from '../clock.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { type OwnVault, openOwnVault } from '../testing/own-vault.ts';
import { newestEntryAt } from './entries.store.ts';
import { LivedTime } from './lived-time.ts';

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

/** A clock that stands where it is put; a start has a monotonic one of its own. */
async function world({ vault, store }: OwnVault) {
  await enterMany(vault.ledger, 3);
  const newest = (await newestEntryAt(vault.reader)) as number;
  const time = { wall: newest, monotonic: 0 };
  const clock = { wall: () => time.wall, monotonic: () => time.monotonic } as Clock;
  const start = async (monotonic: number) => {
    time.monotonic = monotonic;
    return await LivedTime.take(store, clock);
  };
  /** As if the clock had said so when the newest entry was made. */
  const enter = async (at: number) => {
    await enterMany(vault.ledger, 1);
    const { sequence } = vault.ledger.head;
    await store.writer.alone(() =>
      store.writer.transaction((db) =>
        db.updateTable('entries').set({ at }).where('sequence', '=', sequence).execute(),
      ),
    );
  };
  return { newest, time, start, enter };
}

onEachDatabase('time that is lived', (createPlace) => {
  it('goes on from the newest entry as this process runs, whatever the clock says, and is never ahead of it', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { newest, time, start } = await world(own);
    time.wall = newest + YEAR_MS;
    const lived = await start(500);
    assert.equal(lived.now(), newest);
    time.monotonic += 7_000;
    assert.equal(lived.now(), newest + 7_000);
    time.wall = newest - YEAR_MS;
    assert.equal(lived.now(), time.wall);
  });

  it('goes on from one start to the next, and by nothing that was entered with a clock that is ahead', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { newest, time, start, enter } = await world(own);
    time.wall = newest + YEAR_MS;
    await start(500);
    await enter(time.wall);
    // It ended before it kept anything more.
    const second = await start(90_000);
    assert.equal(second.now(), newest);
    time.monotonic += 60_000.5;
    await second.keep();
    await enter(time.wall);
    const third = await start(0);
    assert.equal(third.now(), newest + 60_000);
    // Nor is anything set back by what was entered with one that is behind, or by one that is behind now.
    await enter(0);
    assert.equal((await start(0)).now(), newest + 60_000);
    time.wall = newest - YEAR_MS;
    // By it nothing that was lived is ahead of its time: the log keeps what is young.
    const behind = await start(0);
    assert.deepEqual([behind.now(), behind.latest()], [newest - YEAR_MS, newest + 60_000]);
    await third.keep();
    time.wall = newest + YEAR_MS;
    assert.equal((await start(0)).now(), newest + 60_000);
  });

  it('is never ahead of the newest entry at a start, whatever was kept', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { newest, time, start } = await world(own);
    time.wall = newest + YEAR_MS;
    const lived = await start(0);
    time.monotonic += YEAR_MS;
    await lived.keep();
    assert.equal((await start(0)).now(), newest);
  });
});
