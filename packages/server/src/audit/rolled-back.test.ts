import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Config } from '../config.ts';
import { createPlace, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { openRaw } from '../testing/raw-database.ts';
import { alarmsOf, change, knownLog, TestWitnesses } from '../testing/witnessed.ts';

const DATABASE = ['keyhold.db', 'keyhold.db-wal', 'keyhold.db-shm'];

/** What an intruder does who can write all of this machine: the record of the newest entry goes back too. */
function putBack(place: TestPlace, under: string): void {
  for (const name of DATABASE) rmSync(join(place.folder, name), { force: true });
  copyFileSync(join(under, 'keyhold.db'), join(place.folder, 'keyhold.db'));
  rmSync(headFile(place), { force: true });
}

const headFile = (place: TestPlace) => join(place.folder, 'newest.head');

async function assertRefused(place: TestPlace, changes: Partial<Config>, why: RegExp): Promise<void> {
  const start = async () => {
    // One that starts though it should not have would keep this file waiting.
    await using _installation = await startInstallation(place, changes);
  };
  await assert.rejects(start, why);
}

const kindsOf = async (witnesses: TestWitnesses): Promise<string[]> =>
  JSON.parse((await witnesses.of('w1').get('/alarms')).text).alarms.map(({ kind }: { kind: string }) => kind);

it('a database that is put back, with every record of it on the machine, does not start while a witness remembers', async () => {
  await using place = await createPlace('sqlite');
  const kept = mkdtempSync(join(tmpdir(), 'keyhold-kept-'));
  const own = { headFile: headFile(place) };
  const log = await knownLog(place, own);
  await using witnesses = new TestWitnesses(log);
  await witnesses.start('w1');
  const witnessPolicyFile = witnesses.writePolicy('quorum w1');
  copyFileSync(join(place.folder, 'keyhold.db'), join(kept, 'keyhold.db'));
  const run = { ...own, witnessPolicyFile };
  {
    await using installation = await startInstallation(place, run);
    for (let i = 0; i < 12; i++) {
      assert.equal((await change(installation, `lost-${i}`, 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
    }
  }
  putBack(place, kept);
  // Shorter than what was cosigned.
  await assertRefused(place, run, /RolledBack.*w1 shows it: entry \d+ was logged and cosigned/s);
  assert.deepEqual(await kindsOf(witnesses), [], 'nothing was asked of it');

  // Without a policy it starts, as before, and grows: now it is a fork.
  rmSync(headFile(place), { force: true });
  {
    await using installation = await startInstallation(place, own);
    for (let i = 0; i < 20; i++) await change(installation, `forked-${i}`);
  }
  rmSync(headFile(place), { force: true });
  await assertRefused(place, run, /its first \d+ entries are not those that were cosigned/);

  // Nobody to ask keeps nobody from starting.
  await witnesses.of('w1').kill();
  await (await startInstallation(place, run))[Symbol.asyncDispose]();
  await witnesses.start('w1');
  await assertRefused(place, run, /are not those that were cosigned/);
  await using accepted = await startInstallation(place, { ...run, acceptRollback: 'the disk was lost' });
  const { body } = await accepted.call('GET', '/v1/audit/entries?action=rollback.accepted');
  assert.equal(body.items[0].side.reason, 'the disk was lost');
  assert.match(body.items[0].side.why, /are not those that were cosigned/);
  // It has outgrown the witness: its own proof is refused there.
  await eventually('both sides raise an alarm', async () => {
    const [ours, theirs] = [await alarmsOf(accepted), await kindsOf(witnesses)];
    return ours.includes('LOG_ROLLED_BACK') && theirs.includes('unproven');
  });
  const { quorumMet, witnesses: shown } = (await accepted.call('GET', '/v1/audit/log')).body;
  assert.equal(quorumMet, false);
  assert.match(shown[0].lastError, /422/);
  rmSync(kept, { recursive: true });
});

it('a log that is shorter than a witness knows it raises an alarm on both sides, and has nothing cosigned', async () => {
  await using place = await createPlace('sqlite');
  const kept = mkdtempSync(join(tmpdir(), 'keyhold-kept-'));
  const own = { headFile: headFile(place) };
  const log = await knownLog(place, own);
  await using witnesses = new TestWitnesses(log);
  await witnesses.start('w1');
  const run = { ...own, witnessPolicyFile: witnesses.writePolicy('quorum w1') };
  copyFileSync(join(place.folder, 'keyhold.db'), join(kept, 'keyhold.db'));
  {
    await using installation = await startInstallation(place, run);
    for (let i = 0; i < 40; i++) await change(installation, `lost-${i}`);
    assert.equal((await change(installation, 'last', 'witnessed')).headers.get('keyhold-ack'), 'witnessed');
  }
  const before = await witnesses.of('w1').newest(log.origin);
  putBack(place, kept);
  // The witness is away when it starts, and comes back.
  await witnesses.of('w1').kill();
  await using installation = await startInstallation(place, run);
  await witnesses.start('w1');
  // Each is signed later than what the witness has, once its second is over.
  let count = 0;
  await eventually('both sides raise an alarm', async () => {
    await change(installation, `other-${count++}`, 'integrated');
    return (await alarmsOf(installation)).includes('LOG_ROLLED_BACK') && (await kindsOf(witnesses)).includes('shrunk');
  });
  assert.match(witnesses.of('w1').output(), /ALARM: the log signed a smaller tree after a larger one/);
  assert.deepEqual(await witnesses.of('w1').newest(log.origin), before);
  rmSync(kept, { recursive: true });
});

it('what witnesses saw of the database before a rollback vouches for nothing after it, though its notes are put back too', async () => {
  await using place = await createPlace('sqlite');
  const kept = mkdtempSync(join(tmpdir(), 'keyhold-kept-'));
  const own = { headFile: headFile(place) };
  const log = await knownLog(place, own);
  await using witnesses = new TestWitnesses(log);
  await witnesses.start('w1');
  const run = { ...own, witnessPolicyFile: witnesses.writePolicy('quorum w1') };
  copyFileSync(join(place.folder, 'keyhold.db'), join(kept, 'keyhold.db'));
  {
    await using installation = await startInstallation(place, run);
    for (let i = 0; i < 40; i++) await change(installation, `lost-${i}`);
    await change(installation, 'last', 'witnessed');
  }
  const { text: note } = await witnesses.of('w1').newest(log.origin);
  putBack(place, kept);
  {
    await using raw = await openRaw(place);
    await raw.run(
      `insert into log_checkpoints (kind, size, note) values ('witnessed', ${note.split('\n')[1]}, '${note}')`,
    );
  }
  await using installation = await startInstallation(place, { ...run, acceptRollback: 'the disk was lost' });
  const after = await change(installation, 'after', 'witnessed');
  assert.equal(after.headers.get('keyhold-ack'), 'integrated');
  const { witnessedSize, quorumMet } = (await installation.call('GET', '/v1/audit/log')).body;
  assert.deepEqual({ witnessedSize, quorumMet }, { witnessedSize: null, quorumMet: false });
  assert.ok((await alarmsOf(installation)).includes('LOG_FORGED'));
  const path = `/v1/audit/entries/${after.headers.get('keyhold-entry')}/receipt`;
  assert.equal((await installation.call('GET', path)).status, 200);
  assert.equal((await installation.call('GET', `${path}?level=witnessed`)).body.code, 'NOT_WITNESSED');
  rmSync(kept, { recursive: true });
});
