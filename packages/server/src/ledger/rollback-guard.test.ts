import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startControlPlane } from '../app.ts';
import { systemClock } from '../clock.ts';
import { type Config, readConfig } from '../config.ts';
import { openData } from '../database/open-data.ts';
import { Scratch } from '../database/scratch.ts';
import { openSqlite } from '../database/store.ts';
import { createLog } from '../http/log.ts';
import { headFileOf, startLedger } from '../ledger-wiring.ts';
import { systemRandom } from '../random.ts';
import { createPlace, onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { send, testConfig } from '../testing/installation.ts';
import { keepDatabase } from '../testing/kept-database.ts';
import { Alarms } from './alarms.ts';
import type { Head } from './chain.ts';
import { readHead } from './head.ts';
import { HeadRecord } from './head-record.ts';
import type { Ledger } from './ledger.ts';
import { openRollbackGuard } from './rollback-guard.ts';

const log = createLog('silent', 'test');

/** Runs a control plane once, doing `work` with its API. */
async function run(
  place: TestPlace,
  changes: Partial<Config>,
  work: (call: (method: string, path: string, body?: unknown) => ReturnType<typeof send>) => Promise<void>,
): Promise<void> {
  await using control = await startControlPlane(testConfig(place, { headFile: headFile(place), ...changes }), log);
  const token = readFileSync(control.bootstrapTokenFile, 'utf8').trim();
  await work((method, path, body) => send(new URL(path, control.url), method, body, { token }));
}

const addProject = (slug: string) => async (call: Parameters<Parameters<typeof run>[2]>[0]) => {
  assert.equal((await call('POST', '/v1/projects', { slug, name: slug })).status, 201);
};

/** The ledger alone, as a control plane starts it. */
async function ownLedger(place: TestPlace, stack: AsyncDisposableStack): Promise<Ledger> {
  const config = testConfig(place, { headFile: headFile(place) });
  const store = await openData(config, stack);
  const own = { store, clock: systemClock, random: systemRandom, scratch: new Scratch(store) };
  const alarms = new Alarms(systemClock, ({ detail }) => assert.fail(detail));
  const vault = () => assert.fail('nobody asks for a key');
  const livedTime = { now: () => systemClock.wall() };
  const ground = { ...own, livedTime, alarms, tampered: assert.fail, policy: null, log, vault };
  return (await startLedger(config, ground, stack)).feed.ledger;
}

/** What the record says of the newest entry. */
function remembered(place: TestPlace) {
  const { record, mark } = HeadRecord.open(headFile(place));
  record[Symbol.dispose]();
  return typeof mark === 'string' ? mark : mark.sequence;
}

/** Beside the database here, so that it goes with the place; by default it does not lie there. */
function headFile(place: TestPlace): string {
  return join(place.folder, 'newest.head');
}

onEachDatabase('the rollback guard', (createPlace) => {
  it('refuses an older state of the database until somebody says why, which is an entry', async () => {
    await using place = await createPlace();
    await run(place, {}, addProject('one'));
    await using kept = await keepDatabase(place);
    // Further than what comes after the acceptance.
    await run(place, {}, async (call) => {
      for (let i = 0; i < 20; i++) await addProject(`lost-${i}`)(call);
    });
    await kept.putBack();
    await assert.rejects(
      startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
      /was answered before.*--accept-rollback/s,
    );
    await run(place, { acceptRollback: 'the disk was lost' }, async (call) => {
      const { body } = await call('GET', '/v1/audit/entries?action=rollback.accepted');
      assert.equal(body.items.length, 1);
      assert.equal(body.items[0].side.reason, 'the disk was lost');
    });
    await run(place, {}, addProject('three'));
  });

  it('lets one go on of which the newest entry that was answered was given up since, elsewhere, and no fork of it', async () => {
    await using place = await createPlace();
    const here = { headFile: headFile(place) };
    const elsewhere = { headFile: `${headFile(place)}.elsewhere` };
    await run(place, here, addProject('one'));
    await using kept = await keepDatabase(place);
    const early = readFileSync(here.headFile);
    await run(place, here, addProject('two'));
    const forked = readFileSync(here.headFile);
    await kept.putBack();
    await run(place, elsewhere, async (call) => {
      for (let made = 0; made < 280; made += 40)
        await Promise.all(Array.from({ length: 40 }, (_, i) => addProject(`project-${made + i}`)(call)));
      const { body } = await call('POST', '/v1/audit/prune', { before: new Date().toISOString() });
      assert.equal(body.upTo, 256);
    });
    const start = (head: Buffer) => {
      writeFileSync(here.headFile, head);
      return run(place, here, async () => {});
    };
    await assert.rejects(start(forked), /is another one than was answered before/);
    const { record, mark } = HeadRecord.open(here.headFile);
    assert.ok(typeof mark === 'object');
    const { root: _, ...old } = mark;
    record.write(old);
    record[Symbol.dispose]();
    await assert.rejects(start(readFileSync(here.headFile)), /was given up since.*--accept-rollback/s);
    await start(early);
    await start(readFileSync(here.headFile));
  });
});

describe('the rollback guard beside any database', () => {
  it('remembers the newest entry before whoever made it is answered', async () => {
    await using place = await createPlace('sqlite');
    await using stack = new AsyncDisposableStack();
    const ledger = await ownLedger(place, stack);
    const draft = { actor: 'system', action: 'test.made', subject: 'test', evenWithoutChange: true } as const;
    for (let i = 0; i < 3; i++) {
      const [sequence, found] = await ledger
        .record(draft, async () => null)
        .then(() => [ledger.head.sequence, remembered(place)]);
      assert.equal(found, sequence);
    }
  });

  it('remembers it outside the data folder, by the name of its place, or where a variable says', () => {
    const env = { XDG_DATA_HOME: '/home/data' };
    const [one = '', other] = ['/srv/one', '/srv/other'].map((data) => headFileOf(readConfig(['--data', data], env)));
    assert.match(one, /^\/home\/data\/keyhold\/[0-9a-f]{16}\.head$/);
    assert.notEqual(one, other);
    const onPostgres = { ...env, KEYHOLD_DATABASE_URL: 'postgres://keyhold:word@db/keyhold' };
    assert.match(headFileOf(readConfig([], onPostgres)), /^\/home\/data\/keyhold\/[0-9a-f]{16}\.head$/);
    assert.equal(headFileOf(readConfig([], { ...env, KEYHOLD_HEAD_FILE: '/heads/newest' })), '/heads/newest');
  });

  it('lets a database go on that is what was last answered from', async () => {
    await using place = await createPlace('sqlite');
    for (const slug of ['one', 'two', 'three']) await run(place, {}, addProject(slug));
  });

  it('raises an alarm, which is an entry, where the record is gone or empty and the database has entries', async () => {
    await using place = await createPlace('sqlite');
    const alarms: string[] = [];
    const look = async (call: Parameters<Parameters<typeof run>[2]>[0]) => {
      for (const { code } of (await call('GET', '/v1/installation')).body.alarms) alarms.push(code);
    };
    await run(place, {}, look);
    await run(place, {}, look);
    assert.deepEqual(alarms, [], 'neither at the first start nor where it is there');
    for (const [take, entries] of [
      [() => rmSync(headFile(place)), 1],
      [() => truncateSync(headFile(place), 0), 2],
    ] as const) {
      take();
      await run(place, {}, async (call) => {
        await look(call);
        await addProject(`project-${entries}`)(call);
        const { body } = await call('GET', '/v1/audit/entries?action=alarm.raised');
        const codes = body.items.map(({ leaf }: { leaf: string }) => JSON.parse(leaf).code);
        assert.deepEqual(codes, Array(entries).fill('head-not-remembered'));
      });
    }
    await run(place, {}, look);
    assert.deepEqual(alarms, ['HEAD_NOT_REMEMBERED', 'HEAD_NOT_REMEMBERED'], 'it is remembered again');
  });

  it("enters an operator's word where nothing remembers the newest entry, and none where it is there", async (t) => {
    await using place = await createPlace('sqlite');
    const warned = t.mock.method(log, 'warn');
    /** What the operator was told at the newest start: a flag that is left in accepts whatever comes. */
    const told = () =>
      warned.mock.calls
        .flatMap(({ arguments: [, text] }) => /nothing to accept|is served/.exec(String(text)) ?? [])
        .at(-1);
    const entered = async (call: Parameters<Parameters<typeof run>[2]>[0]) => {
      const { items } = (await call('GET', '/v1/audit/entries?action=rollback.accepted')).body;
      return items.map(({ side }: { side: { why: string; reason: string } }) => [side.why, side.reason]);
    };
    const acceptRollback = 'restored elsewhere';
    await run(place, { acceptRollback }, async (call) => assert.deepEqual(await entered(call), []));
    assert.equal(told(), 'nothing to accept');
    rmSync(headFile(place));
    for (const expected of ['is served', 'nothing to accept']) {
      await run(place, { acceptRollback }, async (call) => {
        assert.deepEqual(await entered(call), [['nothing remembers its newest entry', acceptRollback]]);
      });
      assert.equal(told(), expected);
    }
  });

  it('refuses a record that is damaged until somebody says why: what it said is not known', async () => {
    await using place = await createPlace('sqlite');
    await run(place, {}, addProject('one'));
    const { length } = readFileSync(headFile(place));
    for (const damaged of [Buffer.alloc(length), Buffer.from('x'), Buffer.alloc(3 * length, '\n')]) {
      writeFileSync(headFile(place), damaged);
      await assert.rejects(
        startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
        /is damaged.*--accept-rollback/s,
      );
      await run(place, { acceptRollback: 'the power was cut' }, async () => {});
      await run(place, {}, async () => {});
    }
  });

  it('feeds and answers what it committed, and says so loudly, when the record of it can not be written', async () => {
    await using place = await createPlace('sqlite');
    await run(place, { headFile: '/dev/full' }, async (call) => {
      await addProject('one')(call);
      const { body } = await call('GET', '/v1/installation');
      assert.deepEqual(
        body.alarms.map(({ code }: { code: string }) => code),
        ['HEAD_NOT_KEPT'],
      );
    });
  });

  it('asks again where a start died before why it was accepted is an entry', async () => {
    await using place = await createPlace('sqlite');
    await run(place, {}, addProject('one'));
    await using kept = await keepDatabase(place);
    await run(place, {}, addProject('two'));
    await kept.putBack();
    {
      await using store = await openSqlite(join(place.folder, 'keyhold.db'));
      using guard = await openRollbackGuard(store, headFile(place), 'the disk was lost');
      // A start commits other things ahead of it.
      guard.committed((await readHead(store.reader)) as Head);
    }
    await assert.rejects(
      startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
      /was answered before.*--accept-rollback/s,
    );
  });

  it('refuses a forked one, which has another entry at the same sequence', async () => {
    await using place = await createPlace('sqlite');
    await run(place, {}, addProject('one'));
    await using kept = await keepDatabase(place);
    await run(place, {}, addProject('two'));
    const head = readFileSync(headFile(place));
    await kept.putBack();
    rmSync(headFile(place));
    await run(place, {}, addProject('other'));
    await run(place, {}, addProject('another'));
    writeFileSync(headFile(place), head);
    await assert.rejects(
      startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
      /is another one than was answered before/,
    );
  });
});

const DATABASE = ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm'];

it("a rollback guard refuses another installation's, and begins a new one in an empty place", async () => {
  await using place = await createPlace('sqlite');
  await using other = await createPlace('sqlite');
  await run(place, {}, addProject('one'));
  await run(other, { keyFile: `${place.folder}.key.other` }, addProject('one'));
  for (const name of DATABASE) rmSync(join(place.folder, name), { force: true });
  copyFileSync(join(other.folder, 'keyhold.db'), join(place.folder, 'keyhold.db'));
  await assert.rejects(
    startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
    /it is of inst_.*, not of inst_/,
  );
  for (const name of [...DATABASE, 'bootstrap-token', 'verifier-token'])
    rmSync(join(place.folder, name), { force: true });
  await run(place, { keyFile: `${place.folder}.key.new` }, addProject('one'));
  for (const name of ['other', 'new']) rmSync(`${place.folder}.key.${name}`, { force: true });
});

describe('the head record', () => {
  const mark = (sequence: number) => ({ installation: 'inst_1', sequence, hash: `${sequence}`.padStart(64, '0') });

  it('gives back the newest of what was written, also when a write was cut off anywhere', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-head-'));
    const path = join(folder, 'head');
    const { record } = HeadRecord.open(path);
    for (let sequence = 1; sequence <= 7; sequence++) record.write(mark(sequence));
    record[Symbol.dispose]();
    const whole = readFileSync(path);
    const read = () => {
      const opened = HeadRecord.open(path);
      opened.record[Symbol.dispose]();
      return opened.mark;
    };
    const sequenceOf = (found: ReturnType<typeof read>) => (typeof found === 'string' ? found : found.sequence);
    assert.deepEqual(read(), mark(7));
    for (let at = 0; at < whole.length; at += 5) {
      const cut = Buffer.from(whole);
      cut[at] = (cut[at] as number) ^ 1;
      writeFileSync(path, cut);
      const found = sequenceOf(read());
      assert.ok(found === 7 || found === 6, `byte ${at}`);
    }
    writeFileSync(path, whole);
    truncateSync(path, 0);
    assert.equal(read(), 'missing');
    writeFileSync(path, Buffer.alloc(whole.length));
    assert.equal(read(), 'damaged');
    rmSync(folder, { recursive: true });
  });
});
