import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { openPostgres, openSqlite } from '../database/store.ts';
import { join } from 'node:path';
import { CommitDoubtful } from '../database/store-fault.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw } from '../testing/raw-database.ts';
import { systemRandom } from '../random.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { type CountedUse, UsageLog } from './usage-log.ts';

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
    const rows = items.map((entry: Entry) => {
      const { code } = JSON.parse(entry.leaf) as { code: string };
      const { uses } = entry.side as { uses: CountedUse[] };
      return [entry.subject, code, uses.map((use) => [use.network, use.code, use.count]).sort()];
    });
    assert.deepEqual(
      rows.sort((a: string[], b: string[]) => String(a[1]).localeCompare(String(b[1]))),
      [
        [keyId, 'INSUFFICIENT_PERMISSIONS', [['192.0.2.0/24', 'INSUFFICIENT_PERMISSIONS', 1]]],
        [
          keyId,
          'VALID',
          [
            ['198.51.100.0/24', 'VALID', 1],
            ['203.0.113.0/24', 'VALID', 2],
          ],
        ],
      ],
    );
    const found = (await again.call('GET', '/v1/audit/entries?code=INSUFFICIENT_PERMISSIONS')).body.items;
    assert.deepEqual(found.map(({ action }: Entry) => action).sort(), ['key.usage-counted', 'requests.denied']);
    const denied = (await again.call('GET', '/v1/audit/entries?action=requests.denied')).body.items;
    assert.equal(denied.length, 1);
    assert.equal(denied[0].side.count, 1);
  });

  it('is kept for the next time where it could not be entered', async () => {
    await using place = await createPlace();
    let credential = '';
    {
      await using installation = await startInstallation(place);
      credential = (await (await createMarket(installation)).issue()).credentialId;
    }
    await using counting = await openCounting(place);
    const { log, entered } = counting;
    const use = { credential, network: null, code: 'VALID', count: 2 };
    log.add([use], [{ environment: 'env_1', code: 'NOT_FOUND', count: 5 }]);
    assert.equal(await log.flush(), false);
    assert.equal(entered.length, 0);
    log.add([{ ...use, count: 3 }], []);
    counting.works = true;
    await log.flush();
    const [keys, strangers] = entered.map(({ side }) => side) as unknown as { uses: unknown; count: unknown }[];
    assert.deepEqual(keys?.uses, [{ ...use, count: 5 }]);
    assert.equal(strangers?.count, 5);
    assert.deepEqual(
      entered.map(({ code }) => code),
      ['VALID', 'NOT_FOUND'],
    );
    assert.equal(await log.flush(), true);
    assert.equal(entered.length, 2, 'each once');
  });

  it('is kept whole where nobody can be asked whose it was', async () => {
    await using place = await createPlace();
    await using counting = await openCounting(place);
    const { log, entered } = counting;
    counting.works = true;
    counting.reads = false;
    log.add([], [{ environment: 'env_1', code: 'NOT_FOUND', count: 5 }]);
    log.add([{ credential: 'cred_1', network: null, code: 'VALID', count: 2 }], []);
    await assert.rejects(log.flush(), /no reader/);
    assert.equal(entered.length, 0);
    counting.reads = true;
    counting.now += 60_000;
    await log.flush();
    assert.deepEqual(
      entered.map(({ action, code, side }) => [action, code, side]),
      [
        ['requests.denied', 'NOT_FOUND', { since: at(0), until: at(60_000), count: 5 }],
        // The credential is nobody's that is known here.
        ['usage.uncounted', undefined, { since: at(0), until: at(60_000), count: 2 }],
      ],
    );
  });

  it('says once how much it could not count, also where it said nothing else or could not say it at first', async () => {
    await using place = await createPlace();
    await using counting = await openCounting(place);
    const { log, entered } = counting;
    const code = 'NOT_FOUND';
    for (let i = 0; i < 100_003; i++) log.add([{ credential: `cred_${i}`, network: null, code, count: 1 }], []);
    log.add(
      [],
      [1, 2].map((i) => ({ environment: `env_${i}`, code, count: 1 })),
      // What a verifier could not tell apart.
      4,
    );
    await log.flush();
    assert.equal(entered.length, 0);
    counting.works = true;
    await log.flush();
    const uncounted = entered.filter(({ action }) => action === 'usage.uncounted');
    assert.deepEqual(
      uncounted.map(({ subject, side }) => [subject, (side as { count: number }).count]),
      [['system', 100_007]],
    );
    const denied = entered.filter(({ action }) => action === 'requests.denied');
    assert.equal(denied.length, 2);
    assert.ok(denied.every(({ side }) => !('uncounted' in (side as object))));
    await log.flush();
    assert.equal(entered.length, 3);
  });

  it('is entered once where it was in doubt whether it was: as it was then, and what came since by itself', async () => {
    await using place = await createPlace();
    await using counting = await openCounting(place);
    const { log, entered } = counting;
    const count = (of: number) => log.add([], [{ environment: 'env_1', code: 'NOT_FOUND', count: of }]);
    const counts = () => entered.map(({ side }) => (side as { count: number }).count);
    for (const wasCommitted of [true, false]) {
      count(5);
      counting.doubt = wasCommitted ? 'committed' : 'lost';
      assert.equal(await log.flush(), false, 'in doubt');
      counting.doubt = null;
      counting.works = false;
      count(7);
      await log.flush();
      counting.works = true;
      await log.flush();
      await log.flush();
      assert.deepEqual(counts(), [5, 7], wasCommitted ? 'it was' : 'it was not');
      entered.length = 0;
    }
  });

  it('is entered by one run after another', async () => {
    await using place = await createPlace();
    await using counting = await openCounting(place);
    const { log, entered } = counting;
    const denial = { environment: 'env_1', code: 'NOT_FOUND', count: 5 };
    log.add([], [denial]);
    const first = log.flush();
    const second = log.flush();
    await first;
    counting.works = true;
    await second;
    assert.equal(entered.length, 1, 'what the first could not enter, the second, which was asked for before, did');
  });
});

const START = Date.UTC(2026, 0, 1);
const at = (ms: number) => new Date(START + ms).toISOString();

/** Counts over a real database whose reader, and a ledger that, can be told to fail. */
async function openCounting({ folder, databaseUrl }: TestPlace) {
  const store = await (databaseUrl === undefined ? openSqlite(join(folder, 'keyhold.db')) : openPostgres(databaseUrl));
  const entered: EntryDraft[] = [];
  const keys = new Set<string>();
  const ledger = {
    record: async (draft: EntryDraft) => {
      if (!counting.works && counting.doubt === null) throw new Error('no store');
      const key = draft.idempotency?.key ?? '';
      if (counting.doubt !== 'lost' && !keys.has(key)) entered.push(draft);
      if (counting.doubt !== 'lost' && key !== '') keys.add(key);
      if (counting.doubt !== null) throw new CommitDoubtful('the connection broke');
      return { value: null, sequence: 1, repeated: false };
    },
  } as unknown as Ledger;
  const clock = { wall: () => counting.now } as unknown as Clock;
  const selectFrom = (table: 'credentials') => {
    if (!counting.reads) throw new Error('no reader');
    return store.reader.selectFrom(table);
  };
  const reader = { selectFrom } as unknown as Kysely<Database>;
  const counting = {
    works: false,
    /** What a COMMIT came to that nobody heard of. */
    doubt: null as 'committed' | 'lost' | null,
    reads: true,
    now: START,
    entered,
    log: null as unknown as UsageLog,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  counting.log = new UsageLog({ ledger: () => ledger, reader, clock, random: systemRandom });
  return counting;
}
