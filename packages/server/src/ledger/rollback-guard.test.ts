import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startControlPlane } from '../app.ts';
import type { Config } from '../config.ts';
import { createLog } from '../http/log.ts';
import { createPlace, type TestPlace } from '../testing/databases.ts';
import { send, testConfig } from '../testing/installation.ts';
import { HeadRecord } from './head-record.ts';

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

/** Beside the database here, so that it goes with the place; by default it does not lie there. */
function headFile(place: TestPlace): string {
  return join(place.folder, 'newest.head');
}

const DATABASE = ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm'];

function keep(place: TestPlace, under: string): void {
  for (const name of DATABASE.slice(0, 1)) copyFileSync(join(place.folder, name), join(under, name));
}

function putBack(place: TestPlace, under: string): void {
  for (const name of DATABASE) rmSync(join(place.folder, name), { force: true });
  copyFileSync(join(under, 'keyhold.db'), join(place.folder, 'keyhold.db'));
}

describe('the rollback guard', () => {
  it('lets a database go on that is what was last answered from', async () => {
    await using place = await createPlace('sqlite');
    for (const slug of ['one', 'two', 'three']) await run(place, {}, addProject(slug));
  });

  it('refuses an older state of the database until somebody says why, which is an entry', async () => {
    await using place = await createPlace('sqlite');
    const kept = mkdtempSync(join(tmpdir(), 'keyhold-kept-'));
    await run(place, {}, addProject('one'));
    keep(place, kept);
    // Further than what comes after the acceptance.
    for (let i = 0; i < 20; i++) await run(place, {}, addProject(`lost-${i}`));
    putBack(place, kept);
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
    rmSync(kept, { recursive: true });
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

  it('refuses a forked one, which has another entry at the same sequence', async () => {
    await using place = await createPlace('sqlite');
    const kept = mkdtempSync(join(tmpdir(), 'keyhold-kept-'));
    await run(place, {}, addProject('one'));
    keep(place, kept);
    await run(place, {}, addProject('two'));
    const head = readFileSync(headFile(place));
    putBack(place, kept);
    rmSync(headFile(place));
    await run(place, {}, addProject('other'));
    await run(place, {}, addProject('another'));
    writeFileSync(headFile(place), head);
    await assert.rejects(
      startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
      /is another one than was answered before/,
    );
    rmSync(kept, { recursive: true });
  });

  it("refuses another installation's, and begins a new one in an empty place", async () => {
    await using place = await createPlace('sqlite');
    await using other = await createPlace('sqlite');
    await run(place, {}, addProject('one'));
    await run(other, { keyFile: `${place.folder}.key.other` }, addProject('one'));
    putBack(place, other.folder);
    await assert.rejects(
      startControlPlane(testConfig(place, { headFile: headFile(place) }), log),
      /it is of inst_.*, not of inst_/,
    );
    for (const name of [...DATABASE, 'bootstrap-token', 'verifier-token'])
      rmSync(join(place.folder, name), { force: true });
    await run(place, { keyFile: `${place.folder}.key.new` }, addProject('one'));
    for (const name of ['other', 'new']) rmSync(`${place.folder}.key.${name}`, { force: true });
  });
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
    assert.deepEqual(read(), mark(7));
    for (let at = 0; at < whole.length; at += 5) {
      const cut = Buffer.from(whole);
      cut[at] = (cut[at] as number) ^ 1;
      writeFileSync(path, cut);
      assert.ok([7, 6].includes(read()?.sequence ?? 0), `byte ${at}`);
    }
    writeFileSync(path, whole);
    truncateSync(path, 0);
    assert.equal(read(), null);
    rmSync(folder, { recursive: true });
  });
});
