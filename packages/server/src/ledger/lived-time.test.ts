import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Clock } from '../clock.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { newestEntryAt } from './entries.store.ts';
import { takeLivedTime } from './lived-time.ts';

const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

onEachDatabase('time that is lived', (createPlace) => {
  it('goes on from the newest entry as this process runs, whatever the clock says, and is never ahead of it', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { reader, ledger } = own.vault;
    await enterMany(ledger, 3);
    const newest = (await newestEntryAt(reader)) as number;
    let [wall, monotonic] = [newest + YEAR_MS, 500];
    const clock = { wall: () => wall, monotonic: () => monotonic } as Clock;
    const lived = await takeLivedTime(reader, clock);
    assert.equal(lived(), newest);
    monotonic += 7_000;
    assert.equal(lived(), newest + 7_000);
    wall = newest - YEAR_MS;
    assert.equal(lived(), wall);
  });
});
