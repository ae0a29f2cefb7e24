import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readReceipt } from '@keyhold/protocol/log/receipt';
import { readNote } from '@keyhold/protocol/log/signed-note';
import { createPlace, onEachDatabase, type TestPlace } from './testing/databases.ts';
import { mountSmallDisk } from './testing/disk-faults.ts';
import { fetchReceipt } from './testing/downloaded-log.ts';
import { entryWriters } from './testing/entry-writers-module.ts';
import { eventually } from './testing/eventually.ts';
import { send } from './testing/installation.ts';
import { have } from './testing/missing-part.ts';
import { controlProcess, startProcessInstallation } from './testing/process-installation.ts';
import { freePort, startProcess } from './testing/processes.ts';
import { PublishedBefore } from './testing/published-before.ts';

const WITHOUT_LOCK = new URL('./testing/without-lock.ts', import.meta.url).href;
const CLOCK_STEPS = new URL('./testing/clock-steps.ts', import.meta.url).href;
const FOREVER = Number.MAX_SAFE_INTEGER;

function acknowledgedFile({ folder }: TestPlace): { readonly file: string } & Disposable {
  const file = `${folder}.acknowledged`;
  return { file, [Symbol.dispose]: () => rmSync(file, { force: true }) };
}

const begin = { name: 'begin', scopes: ['read'] };

onEachDatabase('the log survives', (createPlace) => {
  it('a second control plane: the first is fenced, and nothing was signed twice for one size', async (t) => {
    await using place = await createPlace();
    using acknowledged = acknowledgedFile(place);
    const writers = entryWriters({ until: FOREVER, file: acknowledged.file, writers: 8 });
    await using first = await startProcessInstallation(place, { imports: [writers] });
    assert.equal((await first.call('POST', '/v1/tokens', begin)).status, 201);
    const port = await freePort();
    const asked = { ...first, controlUrl: first.controlUrl };
    const byFirst = new PublishedBefore(asked);
    let isSecondThere = false;
    const watching = byFirst.watch(() => isSecondThere);
    await using _second = await startProcess({ ...controlProcess(place, port), imports: [WITHOUT_LOCK, writers] });
    const url = `http://127.0.0.1:${port}`;
    const call = (method: string, path: string, body?: unknown) =>
      send(new URL(path, url), method, body, { token: first.bootstrapToken });
    isSecondThere = true;
    await watching;
    assert.equal((await call('POST', '/v1/tokens', begin)).status, 201);
    assert.equal((await first.call('POST', '/v1/tokens', begin)).status, 503, 'the first one still commits');
    const bySecond = new PublishedBefore({ ...first, controlUrl: url, call });
    // Both are asked, again and again, while the second one writes.
    for (let i = 0; i < 5; i++) {
      await byFirst.note();
      await bySecond.watch(() => true);
    }
    const seen = byFirst.checkpoints.size;
    // What the first one had signed is held against the log that the second one went on with.
    Object.assign(asked, { controlUrl: url, call });
    await byFirst.check(acknowledged.file);
    const entries = await bySecond.check(acknowledged.file);
    t.diagnostic(`${seen} checkpoints of the first, ${bySecond.checkpoints.size} of the second, ${entries} entries`);
  });

  it('a clock that goes back: entries, checkpoints and receipts go on, and all verify', async () => {
    await using place = await createPlace();
    await using installation = await startProcessInstallation(place, { imports: [CLOCK_STEPS] });
    const published = new PublishedBefore(installation);
    const times: string[] = [];
    const signed: bigint[] = [];
    for (let step = 0; step < 3; step++) {
      assert.equal((await installation.call('POST', '/v1/tokens', begin)).status, 201);
      const { body } = await installation.call('GET', '/v1/audit/log');
      const receipt = readReceipt(await fetchReceipt(installation, body.sequence));
      times.push(JSON.parse(Buffer.from(receipt?.extra ?? '').toString()).at);
      signed.push(signedAtOf(receipt?.checkpoint ?? ''));
      await published.check(null);
      process.kill(installation.control.pid, 'SIGUSR2');
      // The signal is handled in a later turn than the next request may be.
      await eventually('the clock has stepped', async () => {
        assert.equal((await installation.call('POST', '/v1/tokens', begin)).status, 201);
        const { body: newest } = await installation.call('GET', '/v1/audit/entries?order=desc&limit=1');
        return newest.items[0].at < (times.at(-1) as string);
      });
    }
    assert.deepEqual(times, times.toSorted().reverse(), 'the clock did not go back');
    await installation.control.kill();
    await installation.startControl();
    assert.equal((await installation.call('POST', '/v1/tokens', begin)).status, 201);
    const { body } = await installation.call('GET', '/v1/installation');
    signed.push(signedAtOf(readReceipt(await fetchReceipt(installation, body.sequence))?.checkpoint ?? ''));
    // Else the note of less would be the later one, and a witness that is shown it takes the log for one that shrank.
    assert.ok(
      signed.every((at, i) => i === 0 || at >= (signed[i - 1] as bigint)),
      'a checkpoint was signed earlier than one of less',
    );
    await published.check(null);
    assert.deepEqual((await installation.call('GET', '/v1/installation')).body.alarms, []);
  });
});

/** When a checkpoint says that it was signed: the first bytes of the signature that is longer (tlog-cosignature). */
function signedAtOf(note: string): bigint {
  const [longest] = (readNote(note)?.signatures ?? []).toSorted((a, b) => b.bytes.length - a.bytes.length);
  return Buffer.from(longest?.bytes ?? []).readBigUInt64BE();
}

describe('the log survives (sqlite)', () => {
  it('a full disk: no change, and no checkpoint of anything that is not on it', async (t) => {
    await using disk = mountSmallDisk('24m');
    if (!have(t, 'a tmpfs to fill (only root may mount one)', disk !== null) || disk === null) return;
    await using elsewhere = await createPlace('sqlite');
    using acknowledged = acknowledgedFile(elsewhere);
    const writers = entryWriters({ until: FOREVER, file: acknowledged.file, writers: 8 });
    await using installation = await startProcessInstallation(disk.place, { imports: [writers] });
    const published = new PublishedBefore(installation);
    assert.equal((await installation.call('POST', '/v1/tokens', begin)).status, 201);
    let refused = 0;
    {
      await using _full = disk.fill();
      await eventually('changes are refused', async () => {
        const { status } = await installation.call('POST', '/v1/tokens', begin);
        await published.note();
        assert.ok(status === 201 || status === 503, `it answered ${status}`);
        return status === 503;
      });
      for (let i = 0; i < 20; i++) {
        const { body } = await installation.call('GET', '/v1/audit/log');
        const { status } = await installation.call('GET', `/v1/audit/entries/${body.sequence}/receipt`);
        assert.ok(status === 200 || status === 503, `it answered ${status}`);
        if (status === 503) refused++;
        await published.note();
      }
      await installation.control.kill();
    }
    await installation.startControl();
    const entries = await published.check(acknowledged.file);
    t.diagnostic(`${published.checkpoints.size} checkpoints, ${refused} receipts refused, ${entries} entries`);
  });
});
