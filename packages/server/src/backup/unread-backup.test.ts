import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { sql } from 'kysely';
import { systemClock } from '../clock.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { writeBackup } from './write-backup.ts';

/** That PostgreSQL gives to readers, and to snapshots. */
const CONNECTIONS = 8;
const MEGABYTE = 1_000_000;

/** Begins a backup, of which only the head is read. */
async function beginBackup({ controlUrl, bootstrapToken }: TestInstallation): Promise<Response> {
  const recipient = await identityToRecipient(await generateX25519Identity());
  return await fetch(new URL('/v1/backup', controlUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${bootstrapToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ recipients: [recipient] }),
  });
}

onEachDatabase('a backup that nobody reads', (createPlace) => {
  it('is given up once it was not read for long enough, and never looks whole', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const unread = writeBackup(own.store, systemClock, 50);
    await assert.rejects(unread.ended, /nobody read it for 50 ms/);
    await assert.rejects(new Response(unread.lines).bytes(), /nobody read it/);
    const read = writeBackup(own.store, systemClock, 50);
    assert.match(await new Response(read.lines).text(), /"sha256":"[0-9a-f]{64}"\}\n$/);
    await read.ended;
  });

  it('holds up no other reader, and lets go when its own leaves', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const backups = Array.from({ length: CONNECTIONS }, () => writeBackup(own.store, systemClock));
    for (const { lines } of backups) {
      const reader = lines.getReader();
      await reader.read();
      reader.releaseLock();
    }
    await sql`select 1`.execute(own.store.reader);
    const ended = backups.map(({ ended }) => assert.rejects(ended, /has left/));
    await Promise.all([...ended, ...backups.map(({ lines }) => lines.cancel())]);
  });

  it('takes one of two places, and who finds none is told to wait, without an entry', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    for (let i = 0; i < 12; i++) {
      const data = { large: randomBytes(MEGABYTE / 2).toString('hex') };
      const body = { project: 'default', environment: 'production', path: `large/${i}`, data };
      assert.equal((await installation.call('POST', '/v1/secrets', body)).status, 201);
    }
    const [one, two] = [await beginBackup(installation), await beginBackup(installation)];
    const third = await beginBackup(installation);
    assert.deepEqual([one.status, two.status, third.status], [200, 200, 503]);
    const { code, detail } = (await third.json()) as { code: string; detail: string };
    assert.deepEqual([code, third.headers.get('retry-after')], ['OVERLOADED', '1']);
    assert.match(detail, /2 backups are being made/);
    const { body } = await installation.call('GET', '/v1/audit/entries?action=backup.created&limit=10');
    assert.equal(body.items.length, 2);
    await one.body?.cancel();
    const again = await eventually('the place is free', async () => {
      const response = await beginBackup(installation);
      if (response.status === 200) return response;
      await response.body?.cancel();
      return null;
    });
    await Promise.all([two.body?.cancel(), again.body?.cancel()]);
  });
});
