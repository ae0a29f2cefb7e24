import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw } from '../testing/raw-database.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('a row put back with its digest', (createPlace) => {
  it('is found by following the log at the next start: a destroyed version and a removed secret', async () => {
    for (const ending of ['destroy', 'remove'] as const) {
      await using place = await createPlace();
      {
        await using installation = await startInstallation(place);
        await createMarket(installation);
        const body = { project: 'market', environment: 'test', path: 'a', data: { a: 1 } };
        const { id } = (await installation.call('POST', '/v1/secrets', body)).body.secret;
        await using raw = await openRaw(place);
        const past = new WrittenPast(raw);
        const [version] = await raw.rows('select * from secret_versions');
        const heads = await raw.rows('select * from row_heads');
        if (ending === 'destroy') {
          await installation.call('POST', `/v1/secrets/${id}/destroy`, { versions: [1] });
          await past.restore('secret_versions', version);
        } else {
          const removed = await installation.call('DELETE', `/v1/secrets/${id}`);
          assert.equal(removed.status, 200, JSON.stringify(removed.body));
          const digest = heads.find(({ row_id }) => row_id === version.id)?.digest;
          await raw.run(`update row_heads set digest = '${digest}' where row_id = '${version.id}'`);
        }
      }
      await using again = await startInstallation(place);
      await eventually(`the alarm after ${ending}`, async () => {
        const { alarms } = (await again.call('GET', '/v1/installation')).body;
        return alarms.some(({ code }: { code: string }) => code === 'CHAIN_BROKEN');
      });
    }
  });
});
