import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkReceipt } from '@keyhold/auditor/check-receipt';
import { NODE_CHECKER } from '@keyhold/auditor/node-checker';
import { readTrust } from '@keyhold/auditor/trust';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import { createPlace, onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { hurryHours, moveClock } from '../testing/moved-clock.ts';
import { openRaw } from '../testing/raw-database.ts';
import { change, knownLog, TestWitnesses } from '../testing/witnessed.ts';
import { WrittenPast } from '../testing/written-past.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Enough for two full tiles, with something behind them. */
async function fill(installation: TestInstallation, name: string, entries: number): Promise<void> {
  for (let done = 0; done < entries; done += 60) {
    await Promise.all(
      Array.from({ length: Math.min(60, entries - done) }, async (_, i) => {
        const slug = `${name}-${done + i}`;
        assert.equal((await installation.call('POST', '/v1/projects', { slug, name: slug })).status, 201);
      }),
    );
  }
}

/** As if processes had run for so many days more, of which the last entry says that they are over. */
async function liveFor(place: TestPlace, days: number): Promise<void> {
  await using raw = await openRaw(place);
  await raw.run(`update lived_time set at = at + ${days * DAY_MS}`);
}

it('entries that are older than what is kept are given up by themselves, and their receipts hold', async () => {
  await using place = await createPlace('sqlite');
  let receipt = '';
  {
    await using installation = await startInstallation(place, { auditDays: 30 });
    await fill(installation, 'old', TILE_WIDTH);
    receipt = (await installation.call('GET', '/v1/audit/entries/7/receipt')).body.receipt;
    assert.equal((await installation.call('GET', '/v1/audit/log')).body.first, 1);
  }
  using _later = moveClock(31 * DAY_MS);
  using hours = hurryHours();
  {
    await using ahead = await startInstallation(place, { auditDays: 30 });
    await eventually('hours go by', async () => hours.passed > 100);
    assert.equal((await ahead.call('GET', '/v1/audit/log')).body.first, 1, 'the clock alone makes nothing old');
  }
  let id = '';
  {
    await using kept = await startInstallation(place);
    assert.equal((await kept.call('GET', '/v1/audit/log')).body.first, 1, 'nobody said for how long');
    const dead = { name: 'dead', kind: 'webhook', url: 'http://127.0.0.1:1/', from: 1 };
    id = (await kept.call('POST', '/v1/audit/exports', dead)).body.id;
  }
  await liveFor(place, 31);
  await using installation = await startInstallation(place, { auditDays: 30 });
  const aboutExport = async () =>
    (await installation.call('GET', '/v1/installation')).body.alarms.find(
      ({ subject }: { subject: string }) => subject === id,
    )?.detail;
  await eventually('what keeps it from being done is told', async () =>
    /^the export dead keeps entries behind 0 from being given up$/.test(await aboutExport()),
  );
  await installation.call('DELETE', `/v1/audit/exports/${id}`);
  await eventually('which is over with the export', async () => (await aboutExport()) === undefined);
  const { keys } = await eventually('a tile is given up', async () => {
    const { body } = await installation.call('GET', '/v1/audit/log');
    return body.first === TILE_WIDTH + 1 && body;
  });
  assert.equal(typeof checkReceipt(NODE_CHECKER, readTrust(NODE_CHECKER.sha256, keys.join('\n')), receipt), 'object');
  const { body } = await installation.call('GET', '/v1/audit/entries?action=log.pruned');
  assert.deepEqual([body.items[0].actor, body.items.length], ['system', 1]);
});

it('entries that tell whether an unused key lapses are kept for as long as that takes', async () => {
  await using place = await createPlace('sqlite');
  {
    await using installation = await startInstallation(place);
    await createMarket(installation);
    await installation.call('PUT', '/v1/projects/market/environments/test/rules', { unusedDays: 60 });
    await fill(installation, 'old', TILE_WIDTH);
  }
  {
    using _later = moveClock(40 * DAY_MS);
    await using installation = await startInstallation(place);
    await fill(installation, 'newer', TILE_WIDTH);
  }
  using _later = moveClock(75 * DAY_MS);
  using _hours = hurryHours();
  {
    await using _start = await startInstallation(place);
  }
  await liveFor(place, 75);
  await using installation = await startInstallation(place, { auditDays: 30 });
  const first = await eventually('a tile is given up', async () => {
    const { body } = await installation.call('GET', '/v1/audit/log');
    return body.first > 1 && body.first;
  });
  assert.equal(first, TILE_WIDTH + 1, 'what is younger than 60 days is there');
});

onEachDatabase('giving entries up', (createPlace) => {
  it('keeps every proof, every receipt and every check of what is left, also after a start', async () => {
    await using place = await createPlace();
    let [before, receipt, keys, upTo] = ['', '', '', 0];
    const get = async (installation: TestInstallation, path: string) => {
      const { status, body } = await installation.call('GET', path);
      assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
      return body;
    };
    {
      await using installation = await startInstallation(place);
      await createMarket(installation);
      await fill(installation, 'old', 2 * TILE_WIDTH);
      receipt = (await get(installation, '/v1/audit/entries/7/receipt')).receipt;
      keys = (await get(installation, '/v1/audit/log')).keys.join('\n');
      before = new Date().toISOString();
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
      const early = await installation.call('POST', '/v1/audit/prune', { before: tomorrow });
      assert.deepEqual([early.status, early.body.field], [400, '/before']);
      const none = await installation.call('POST', '/v1/audit/prune', { before: '2020-01-01T00:00:00Z' });
      assert.deepEqual(none.body, { upTo: 0, count: 0, heldBy: null });
      // An export that has nothing yet keeps everything here.
      const waiting = { name: 'waiting', kind: 'webhook', url: 'http://127.0.0.1:1/', from: 3 };
      const { id } = (await installation.call('POST', '/v1/audit/exports', waiting)).body;
      const held = await installation.call('POST', '/v1/audit/prune', { before });
      assert.deepEqual(held.body, { upTo: 0, count: 0, heldBy: { id, name: 'waiting', sequence: 2 } });
      await installation.call('DELETE', `/v1/audit/exports/${id}`);
      const pruned = await installation.call('POST', '/v1/audit/prune', { before });
      const said = await installation.call('GET', '/v1/audit/entries?action=log.pruned');
      assert.equal(pruned.headers.get('keyhold-entry'), String(said.body.items[0].sequence));
      assert.equal(pruned.status, 200, JSON.stringify(pruned.body));
      upTo = pruned.body.upTo;
      assert.ok(upTo >= 2 * TILE_WIDTH && upTo % TILE_WIDTH === 0, String(upTo));
      assert.deepEqual([pruned.body.count, pruned.body.heldBy], [upTo, null]);
      assert.equal((await get(installation, '/v1/audit/entries?order=asc')).items[0].sequence, upTo + 1);
      const gone = await installation.call('GET', '/v1/audit/entries/7/receipt');
      assert.deepEqual([gone.status, gone.body.detail], [404, 'Entry 7 was given up; its hash alone is kept.']);
      assert.equal(typeof checkReceipt(NODE_CHECKER, readTrust(NODE_CHECKER.sha256, keys), receipt), 'object');
    }
    await using again = await startInstallation(place);
    const { first, sequence, size } = await get(again, '/v1/audit/log');
    assert.equal(first, upTo + 1);
    await get(again, `/v1/audit/proofs/inclusion?sequence=7&size=${size}`);
    await get(again, `/v1/audit/proofs/consistency?from=${upTo - 5}&to=${sequence}`);
    const last = (await get(again, `/v1/audit/entries/${sequence}/receipt`)).receipt;
    assert.equal(typeof checkReceipt(NODE_CHECKER, readTrust(NODE_CHECKER.sha256, keys), last), 'object');
    await fill(again, 'new', 5);
    assert.deepEqual((await get(again, '/v1/installation')).alarms, []);
  });

  it('leaves no row that could be edited, put back or taken away without being noticed', async () => {
    for (const how of ['edited with its digest', 'left out, as if given up'] as const) {
      await using place = await createPlace();
      {
        await using installation = await startInstallation(place);
        await createMarket(installation);
        await fill(installation, 'row', TILE_WIDTH);
        const pruned = await installation.call('POST', '/v1/audit/prune', { before: new Date().toISOString() });
        assert.equal(pruned.body.upTo, TILE_WIDTH);
        await using raw = await openRaw(place);
        if (how === 'edited with its digest') {
          const past = new WrittenPast(raw);
          const [project] = await raw.rows("select id from projects where slug = 'row-3'");
          await past.edit('projects', project.id, { name: 'edited' });
          await past.mend('projects', project.id);
        } else await raw.run(`delete from entries where sequence = ${TILE_WIDTH + 1}`);
      }
      await using again = await startInstallation(place);
      await eventually(`an alarm: ${how}`, async () => {
        const { alarms } = (await again.call('GET', '/v1/installation')).body;
        return alarms.some(({ code }: { code: string }) => code === 'CHAIN_BROKEN');
      });
    }
  });
});

it('with entries given up an installation starts, and witnesses still see its rollback', async () => {
  await using place = await createPlace('sqlite');
  const log = await knownLog(place);
  await using witnesses = new TestWitnesses(log);
  await witnesses.start('w1');
  const witnessPolicyFile = witnesses.writePolicy('quorum w1');
  const started = () => startInstallation(place, { witnessPolicyFile });
  {
    await using installation = await started();
    await fill(installation, 'seen', TILE_WIDTH - 60);
    // The witness remembers a tree whose end lies within what is given up next.
    assert.equal((await change(installation, 'cosigned', 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
    await witnesses.of('w1').kill();
    await fill(installation, 'unseen', 2 * TILE_WIDTH);
    const pruned = await installation.call('POST', '/v1/audit/prune', { before: new Date().toISOString() });
    assert.ok(pruned.body.upTo >= 2 * TILE_WIDTH, JSON.stringify(pruned.body));
  }
  await witnesses.start('w1');
  {
    await using installation = await started();
    assert.equal((await change(installation, 'after', 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
    assert.deepEqual((await installation.call('GET', '/v1/installation')).body.alarms, []);
  }
  await using raw = await openRaw(place);
  await raw.run(
    "update log_tiles set hashes = (case when substr(hashes, 1, 2) = '01' then '02' else '01' end) || substr(hashes, 3) where level = 0 and number = 0",
  );
  await assert.rejects(async () => {
    await using _installation = await started();
  }, /RolledBack/);
});
