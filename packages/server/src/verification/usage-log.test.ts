import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Clock } from '../clock.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { openPostgres, openSqlite } from '../database/store.ts';
import { join } from 'node:path';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw } from '../testing/raw-database.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { UsageLog } from './usage-log.ts';

onEachDatabase('what verifiers counted', (createPlace) => {
  it('is entered by key, credential, network and verdict, and once', async () => {
    await using place = await createPlace();
    let keyId = '';
    {
      await using installation = await startInstallation(place);
      const market = await createMarket(installation);
      const issued = await market.issue();
      keyId = issued.keyId;
      const request = { key: issued.secret, environment: 'market/test' };
      for (const clientIp of ['203.0.113.1', '203.0.113.2', '198.51.100.1']) {
        assert.equal((await installation.verify({ ...request, permission: 'prices:read', clientIp })).code, 'VALID');
      }
      const refused = await installation.verify({ ...request, permission: 'orders:write', clientIp: '192.0.2.1' });
      assert.equal(refused.code, 'INSUFFICIENT_PERMISSIONS');
      await using raw = await openRaw(place);
      await eventually('the verifier has reported', async () => {
        const [used] = await raw.rows('select uses from credential_usage');
        const denied = await raw.rows('select count from denials');
        return Number(used?.uses) === 3 && denied.length === 1;
      });
    }
    // The control plane enters what is left when it is ended.
    await using again = await startInstallation(place);
    const { items } = (await again.call('GET', '/v1/audit/entries?action=key.usage-counted')).body;
    assert.equal(items.length, 1);
    assert.equal(items[0].subject, keyId);
    const rows = items[0].side.uses.map(({ network, code, count }: Record<string, unknown>) => [network, code, count]);
    assert.deepEqual(rows.sort(), [
      ['192.0.2.0/24', 'INSUFFICIENT_PERMISSIONS', 1],
      ['198.51.100.0/24', 'VALID', 1],
      ['203.0.113.0/24', 'VALID', 2],
    ]);
    const denied = (await again.call('GET', '/v1/audit/entries?action=requests.denied')).body.items;
    assert.equal(denied.length, 1);
    assert.deepEqual(denied[0].side.counts, { INSUFFICIENT_PERMISSIONS: 1 });
  });

  it('is kept for the next time where it could not be entered', async () => {
    await using place = await createPlace();
    let credential = '';
    {
      await using installation = await startInstallation(place);
      credential = (await (await createMarket(installation)).issue()).credentialId;
    }
    await using store = await (place.databaseUrl === undefined
      ? openSqlite(join(place.folder, 'keyhold.db'))
      : openPostgres(place.databaseUrl));
    let works = false;
    const entered: EntryDraft[] = [];
    const ledger = {
      record: async (draft: EntryDraft) => {
        if (!works) throw new Error('no store');
        entered.push(draft);
        return { value: null, sequence: 1, repeated: false };
      },
    } as unknown as Ledger;
    const clock = { wall: () => Date.UTC(2026, 0, 1) } as unknown as Clock;
    const log = new UsageLog({ ledger: () => ledger, reader: store.reader, clock });
    const use = { credential, network: null, code: 'VALID', count: 2 };
    log.add([use], [{ environment: 'env_1', code: 'NOT_FOUND', count: 5 }]);
    await log.flush();
    assert.equal(entered.length, 0);
    log.add([{ ...use, count: 3 }], []);
    works = true;
    await log.flush();
    const [keys, strangers] = entered.map(({ side }) => side) as unknown as { uses: unknown; counts: unknown }[];
    assert.deepEqual(keys?.uses, [{ ...use, count: 5 }]);
    assert.deepEqual(strangers?.counts, { NOT_FOUND: 5 });
    await log.flush();
    assert.equal(entered.length, 2, 'each once');
  });
});
