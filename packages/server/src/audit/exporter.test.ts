import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { PRUNED_ACTION } from '../ledger/pruned.store.ts';
import { createPlace, onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { linesOf, startHook } from '../testing/export-hook.ts';
import { openOwnExporter } from '../testing/own-exporter.ts';
import { openRaw } from '../testing/raw-database.ts';
import { WrittenPast } from '../testing/written-past.ts';
import { BATCH_BYTES } from './export-batch.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Runs it until there is nothing left that can be sent now. */
async function sendAll(exporter: { run(): Promise<void>; settled(): Promise<void> }): Promise<void> {
  await exporter.run();
  await exporter.settled();
}

const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);
const sequencesOf = (entries: readonly { readonly sequence: number }[]) => entries.map(({ sequence }) => sequence);

it('an exporter sends what took the place of entries that a restore lost under another id', async () => {
  await using place = await createPlace('sqlite');
  await using hook = await startHook();
  const files = ['', '-wal'].map((end) => join(place.folder, `keyhold.db${end}`));
  const enterAndSend = async () => {
    await using own = await openOwnExporter(place);
    await own.enter(1);
    await sendAll(own.exporter);
  };
  {
    await using own = await openOwnExporter(place);
    await own.hooked('restored', hook.url);
    await sendAll(own.exporter);
  }
  const kept = files.filter((file) => existsSync(file));
  for (const file of kept) copyFileSync(file, `${file}.backup`);
  await enterAndSend();
  for (const file of files) rmSync(file, { force: true });
  for (const file of kept) copyFileSync(`${file}.backup`, file);
  await enterAndSend();
  const [, lost, instead, ...rest] = hook.received;
  assert.deepEqual(rest, []);
  assert.equal(instead?.headers['keyhold-from'], lost?.headers['keyhold-from']);
  assert.notEqual(instead?.body, lost?.body);
  assert.notEqual(instead?.headers['webhook-id'], lost?.headers['webhook-id']);
});

onEachDatabase('the exporter', (createPlace) => {
  it('sends on where its target was down for an hour: nothing lost, in order, never a minute too late', async () => {
    await using place = await createPlace();
    await using own = await openOwnExporter(place);
    const { control, exporter } = own;
    let port = 0;
    let before: number[] = [];
    let id = '';
    {
      await using hook = await startHook();
      id = await own.hooked('down', hook.url);
      await sendAll(exporter);
      [port, before] = [hook.port, sequencesOf(hook.entries())];
    }
    const tried: number[] = [];
    control.caughtUp = [];
    for (let failures = 0; control.now < HOUR_MS; control.now += 1_000) {
      if (control.now % MINUTE_MS === 0) await own.enter(8);
      // Somebody sets the clock: that is no reason to wait for a day.
      if (control.now === HOUR_MS / 2) control.wallOff -= 24 * HOUR_MS;
      await sendAll(exporter);
      const now = (await own.progress(id))?.failures ?? 0;
      if (now > failures) tried.push(control.now);
      failures = now;
    }
    const pauses = tried.slice(1).map((at, i) => at - (tried[i] as number));
    assert.deepEqual(pauses.slice(0, 8), [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, MINUTE_MS, MINUTE_MS]);
    assert.equal(Math.max(...pauses), MINUTE_MS);
    assert.ok(HOUR_MS - (tried.at(-1) as number) <= MINUTE_MS);
    assert.match(control.lags[0] ?? '', /^the export down is behind: ECONNREFUSED$/);
    assert.equal(control.caughtUp.length, 0);
    await using again = await startHook(port);
    control.now += MINUTE_MS;
    await sendAll(exporter);
    assert.deepEqual([...before, ...sequencesOf(again.entries())], upTo(own.ledger.head.sequence));
    assert.ok(again.received.length >= 3);
    const { failures, last_error } = (await own.progress(id)) ?? {};
    assert.deepEqual([failures, last_error], [0, null]);
    assert.ok(control.caughtUp.includes(id), 'the next time it is behind is an alarm of its own');
  });

  it('sends the batch again that it did not note, the same one, however much was entered since', async () => {
    await using place = await createPlace();
    await using own = await openOwnExporter(place);
    await using hook = await startHook();
    const id = await own.hooked('crash', hook.url);
    // It dies between what it sent and its note of that.
    own.control.beforeWrite = () => {
      if (hook.received.length > 0) throw new Error('dead');
    };
    await sendAll(own.exporter);
    assert.equal(hook.received.length, 1);
    assert.notEqual((await own.progress(id))?.sequence, own.ledger.head.sequence);
    own.control.beforeWrite = () => {};
    await own.enter(7);
    await sendAll(own.start());
    const [first, second, ...rest] = hook.received;
    assert.equal(second?.headers['webhook-id'], first?.headers['webhook-id']);
    assert.equal(second?.body, first?.body);
    const got = [second, ...rest].flatMap((one) => sequencesOf(linesOf(one?.body ?? '')));
    assert.deepEqual(got, upTo(own.ledger.head.sequence));
  });

  it('sends no more at once than its target takes, down to single entries, also of what was once begun', async () => {
    await using place = await createPlace();
    await using own = await openOwnExporter(place);
    await using hook = await startHook();
    await using raw = await openRaw(place);
    const id = await own.hooked('narrow', hook.url);
    await sendAll(own.exporter);
    const { sequence } = own.ledger.head;
    await own.enter(40, 9_000);
    await own.enter(1, 15_000);
    hook.received.length = 0;
    hook.state.mostBytes = 13_000;
    await raw.run(`update log_export_progress set sending = ${own.ledger.head.sequence}`);
    const { control } = own;
    control.rowsRead = 0;
    await sendAll(own.exporter);
    assert.ok(control.rowsRead < 1_700, 'and where little goes at once, little is read');
    const halved = await own.progress(id);
    assert.equal(halved?.sequence, own.ledger.head.sequence - 1);
    assert.equal(halved?.failures, 1, 'only a single one fails');
    for (let failures = 1; failures < 5; failures++) {
      assert.deepEqual(control.lags, []);
      control.now += MINUTE_MS;
      await sendAll(own.exporter);
    }
    assert.deepEqual(control.lags, ['the export narrow is behind: it answered 413']);
    control.now += MINUTE_MS;
    const larger = hook.received.filter(({ status }) => status === 413);
    assert.ok(Math.max(...larger.map(({ body }) => body.length)) <= BATCH_BYTES);
    const got = () =>
      hook.received.filter(({ status }) => status === 200).flatMap(({ body }) => sequencesOf(linesOf(body)));
    const last = own.ledger.head.sequence;
    assert.deepEqual(got(), upTo(last - 1).slice(sequence));
    assert.equal(larger.at(-1)?.headers['keyhold-from'], String(last), 'which does not fit, and is the only one');
    hook.state.mostBytes = Number.POSITIVE_INFINITY;
    await sendAll(own.exporter);
    assert.deepEqual([got().at(-1), (await own.progress(id))?.failures], [last, 0]);
    hook.received.length = 0;
    await own.enter(20, 9_000);
    await sendAll(own.exporter);
    assert.deepEqual(got(), upTo(last + 20).slice(last));
    const most = Math.max(...hook.received.map(({ body }) => linesOf(body).length));
    assert.ok(most >= 8, 'more at once again, now that it is taken');
  });

  it('stops before an entry that is missing, says which, and moves on no further', async () => {
    for (const place of ['within', 'at the end'] as const) {
      await using test = await createPlace();
      await using own = await openOwnExporter(test);
      await using hook = await startHook();
      await using raw = await openRaw(test);
      const id = await own.hooked('gap', hook.url);
      await sendAll(own.exporter);
      const { length } = hook.received;
      const { sequence } = own.ledger.head;
      await own.enter(5);
      const missing = sequence + (place === 'within' ? 3 : 5);
      await raw.run(`delete from entries where sequence = ${missing}`);
      await sendAll(own.exporter);
      const progress = await own.progress(id);
      assert.deepEqual(
        [progress?.sequence, progress?.failures, progress?.last_error],
        [sequence, 1, `entry ${missing} is missing`],
      );
      assert.equal(hook.received.length, length);
      assert.deepEqual(own.control.lags, [`the export gap is behind: entry ${missing} is missing`]);
    }
  });

  it('is asked in vain for entries that were given up, and from beyond the next one', async () => {
    await using place = await createPlace();
    await using own = await openOwnExporter(place);
    await own.enter(300);
    const draft = { actor: 'system', action: PRUNED_ACTION, subject: 'system', code: 'up-to-256' };
    await own.ledger.record({ ...draft, evenWithoutChange: true }, async () => null);
    const { sequence } = own.ledger.head;
    for (const from of [1, 256, sequence + 2, Number.MAX_SAFE_INTEGER]) {
      const refused = await own.create({ name: 'late', kind: 'file', from });
      assert.ok(isRefusal(refused));
      assert.deepEqual([refused.refused, refused.field], ['INVALID_INPUT', '/from']);
    }
    assert.equal(own.ledger.head.sequence, sequence, 'nothing was made');
    assert.ok(!isRefusal(await own.create({ name: 'next', kind: 'file', from: sequence + 1 })));
    assert.ok(!isRefusal(await own.create({ name: 'late', kind: 'file', from: 257 })));
  });

  it('sends nothing more to an export that was removed or changed past the ledger while it was sent to', async () => {
    for (const how of ['removed', 'changed'] as const) {
      await using place = await createPlace();
      await using own = await openOwnExporter(place);
      await using hook = await startHook();
      await using elsewhere = await startHook();
      await using raw = await openRaw(place);
      await own.enter(450);
      const id = await own.hooked('long', hook.url);
      own.control.alarmed.push(id);
      const answer = hook.hold();
      await own.exporter.run();
      await eventually('the first batch arrives', async () => hook.received.length === 1);
      if (how === 'removed') await own.remove(id);
      else await new WrittenPast(raw).edit('log_exports', id, { url: elsewhere.url });
      answer();
      await own.exporter.settled();
      assert.equal(hook.received.length, 1, how);
      assert.equal(elsewhere.received.length, 0);
      assert.equal(own.control.tampered.includes(id), how === 'changed');
      await sendAll(own.exporter);
      assert.equal(own.control.caughtUp.includes(id), how === 'removed', 'it is behind no more');
      assert.equal(
        (await own.progress(id)) === undefined,
        how === 'removed',
        'how far it came is kept while it is one',
      );
    }
  });

  it('sends to each by itself: a slow one, and a fault, are of one, and nobody is sent to twice at once', async () => {
    await using place = await createPlace();
    await using own = await openOwnExporter(place);
    await using hook = await startHook();
    const { exporter, control } = own;
    const slow = await own.hooked('slow', hook.url);
    const answer = hook.hold();
    await exporter.run();
    await eventually('the slow one has its batch', async () => hook.received.length === 1);
    const quick = await own.filed('quick');
    const caughtUp = async (id: string) => (await own.progress(id))?.sequence === own.ledger.head.sequence;
    let faults = 0;
    control.beforeWrite = () => {
      faults++;
      throw new Error('no store');
    };
    await exporter.run();
    await eventually('the quick one can not note what it wrote', async () => faults === 1);
    control.beforeWrite = () => {};
    await eventually('it does the next time', async () => {
      await exporter.run();
      return await caughtUp(quick);
    });
    assert.equal(hook.received.length, 1);
    let stopped = false;
    const stop = exporter.stop().then(() => {
      stopped = true;
    });
    await new Promise(setImmediate);
    assert.equal(stopped, false, 'it ends after what is on its way');
    answer();
    await stop;
    assert.equal((await own.progress(slow))?.delivered_at, control.wallOff);
    const file = readFileSync(join(place.folder, 'exports', 'quick.jsonl'), 'utf8');
    assert.deepEqual([...new Set(sequencesOf(linesOf(file)))], upTo(own.ledger.head.sequence));
  });

  it('says that an export is far behind for long, though nothing fails', async () => {
    await using place = await createPlace();
    await using own = await openOwnExporter(place);
    await using hook = await startHook();
    const { exporter, control } = own;
    await own.hooked('far', hook.url);
    const answer = hook.hold();
    const runs = async (minutes: number, further: number) => {
      [control.now, control.further] = [control.now + minutes * MINUTE_MS, further];
      await exporter.run();
    };
    await runs(0, 0);
    await eventually('it is being sent to', async () => hook.received.length === 1);
    await runs(1, 20_000);
    await runs(9, 20_000);
    await runs(0.9, 0);
    await runs(1, 20_000);
    await runs(9.9, 20_000);
    assert.deepEqual(control.lags, [], 'not for so long');
    await runs(0.1, 20_000);
    assert.equal(control.lags.length, 1);
    assert.match(control.lags[0] ?? '', /^the export far is behind: \d+ entries are left to send$/);
    control.further = 0;
    answer();
    await exporter.settled();
  });
});
