import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openPostgres, openSqlite } from '../database/store.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { it } from 'node:test';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw } from '../testing/raw-database.ts';
import { findUnusableSigning } from './find-unusable-signing.ts';

onEachDatabase('signing settings that were stored when less was asked of them', (createPlace) => {
  it('are found at a start, and one that nobody can read keeps nobody from starting', async () => {
    await using place = await createPlace();
    {
      await using installation = await startInstallation(place);
      await createMarket(installation);
      const path = '/v1/projects/market/environments/test/signing';
      const set = { dialects: [{ dialect: 'rfc9421' }, { dialect: 'binance' }], replay: 'verifier' };
      assert.equal((await installation.call('PUT', path, set)).status, 200);
    }
    await using raw = await openRaw(place);
    const write = (text: string) => raw.run(`update signing_settings set dialects = '${text}'`);
    const { folder, databaseUrl } = place;
    await using store = await (databaseUrl === undefined
      ? openSqlite(join(folder, 'keyhold.db'))
      : openPostgres(databaseUrl));
    const faults = async () => (await findUnusableSigning(store.reader)).map(({ fault }) => fault);
    assert.deepEqual(await faults(), []);
    await write(JSON.stringify([{ dialect: 'rfc9421', components: ['date'] }, { dialect: 'binance' }]));
    const [fault, ...others] = await faults();
    assert.match(fault ?? '', /@method/);
    assert.deepEqual(others, []);
    await write('{');
    assert.deepEqual(await faults(), []);
  });
});
