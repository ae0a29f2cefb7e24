import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { originHash } from '@keyhold/protocol/log/add-checkpoint';
import { sha256 } from '../note-crypto.ts';
import { OwnLog } from '../testing/own-log.ts';
import { startWitness, type WitnessOptions, type WitnessProcess } from '../testing/witness-process.ts';

describe('the state of a witness', () => {
  let folder = '';
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'keyhold-witness-'))));
  const started: WitnessProcess[] = [];
  afterEach(async () => {
    // One that started though it should not have would keep this file waiting.
    for (const witness of started.splice(0)) await witness.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  const log = new OwnLog('log.test/state').grow(20);
  const start = async (changes: Partial<WitnessOptions> = {}) => {
    const witness = await startWitness({ folder, logs: log.verifierKeys, ...changes });
    started.push(witness);
    return witness;
  };
  const file = () => join(folder, `${originHash(sha256, log.origin)}.checkpoint`);

  /** A witness that cosigned 12 entries, and stopped. */
  async function cosignedOnce(): Promise<void> {
    await using witness = await start();
    assert.equal((await witness.post(log.request(0, 12))).status, 200);
  }

  it('comes back with its name, its keys and all that it cosigned', async () => {
    await using first = await start();
    await first.post(log.request(0, 12));
    const [keys, newest] = [first.verifierKeys, await first.newest(log.origin)];
    await first.kill();
    await using again = await start();
    assert.deepEqual(again.verifierKeys, keys);
    assert.deepEqual(await again.newest(log.origin), newest);
    assert.equal((await again.post(log.request(0))).text, '12\n');
    assert.equal((await again.post(log.fork(11).grow(1, 'another').request(12, 12))).status, 422);
    await again.kill();
    await using later = await start();
    assert.match(later.output(), /ALARM of before: forked: log\.test\/state/);
    assert.equal(JSON.parse((await later.get('/alarms')).text).alarms.length, 1);
  });

  it('is never begun anew: a file that is missing, empty, cut off or changed keeps the witness from starting', async () => {
    await cosignedOnce();
    const whole = readFileSync(file(), 'utf8');
    const line = whole.split('\n');
    const broken: (string | null)[] = [
      null,
      '',
      'old 1\n',
      whole.slice(0, -2),
      whole.slice(0, whole.length / 2),
      whole.replace('\n12\n', '\n11\n'),
      line.slice(0, -2).concat('').join('\n'),
      whole.replace(log.origin, 'log.test/other'),
    ];
    for (const text of broken) {
      if (text === null) rmSync(file());
      else writeFileSync(file(), text);
      await assert.rejects(start(), /WitnessNotStarted.*ended with 2: keyhold witness: .*log\.test\/state/s);
    }
    writeFileSync(file(), whole);
    await using witness = await start();
    assert.equal((await witness.newest(log.origin)).text, whole);
  });

  it('is refused where its keys are gone, are none, or are of another name', async () => {
    await cosignedOnce();
    const identity = join(folder, 'witness.json');
    const whole = readFileSync(identity, 'utf8');
    await assert.rejects(start({ name: 'witness.test/other' }), /this witness is witness\.test\/w1/);
    for (const text of ['', '{}', whole.slice(0, -40), whole.replace(/"seed": "./, '"seed": "')]) {
      writeFileSync(identity, text);
      await assert.rejects(start(), /WitnessNotStarted.*ended with 2/s, text);
    }
    rmSync(identity);
    await assert.rejects(start(), /witness\.json is missing, though logs were cosigned here/);
    writeFileSync(identity, whole);
    await (await start()).kill();
  });

  it('is remembered of a log that is watched no longer, and its file has to be there', async () => {
    await cosignedOnce();
    const other = new OwnLog('log.test/second').grow(1);
    const watching = await start({ logs: other.verifierKeys });
    assert.equal((await watching.post(log.request(12))).status, 404);
    await watching.kill();
    const back = await start();
    assert.equal((await back.post(log.request(12))).status, 200);
    await back.kill();
    rmSync(file());
    await assert.rejects(start({ logs: other.verifierKeys }), /is missing, which says what was cosigned/);
  });

  it('takes new keys of a log that it knows, and no signature of the old ones', async () => {
    await cosignedOnce();
    const renewed = new OwnLog(log.origin).grow(20);
    await using witness = await start({ logs: renewed.verifierKeys });
    assert.equal((await witness.post(log.request(12))).status, 403);
    assert.equal((await witness.post(renewed.request(12))).status, 200);
  });

  it('belongs to one process, and to nobody else on the machine', async () => {
    const running = await start();
    await assert.rejects(start(), /another witness runs on/);
    await running.kill();
    chmodSync(folder, 0o755);
    await assert.rejects(start(), /is open to others: chmod 700/);
    chmodSync(folder, 0o700);
    await (await start()).kill();
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.unfinished')),
      [],
    );
  });
});
