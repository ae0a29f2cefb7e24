import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { isRefusal } from '@keyhold/protocol/errors';
import { sql } from 'kysely';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { openSqlite } from '../database/store.ts';
import { encryptStream } from '../delivery/age-stream.ts';
import { createDelivery } from '../delivery/create-delivery.ts';
import type { Facts } from '../ledger/facts.ts';
import { createPlace, onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { startInstallation, type TestInstallation, testConfig } from '../testing/installation.ts';
import { damaged } from '../testing/damaged-envelope.ts';
import { createMarket } from '../testing/market.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { changeSeal, type Opener } from '../testing/seals.ts';
import { WrittenPast } from '../testing/written-past.ts';
import { Secret } from '../vault/secret.ts';
import { BACKUP_TABLES, NOT_BACKED_UP } from './backup-format.ts';
import { RestoreRefused } from './restore-backup.ts';
import { runDrill, runRestore } from './restore-command.ts';
import { writeBackup } from './write-backup.ts';

/** 32 zero bytes: well formed, and a point of low order (RFC 7748 §6.1). */
const LOW_ORDER = `age1${'q'.repeat(52)}5cu47z`;

const folder = mkdtempSync(join(tmpdir(), 'keyhold-backup-'));
after(() => rmSync(folder, { recursive: true }));

async function recipientWith(identity: string, name: string): Promise<{ recipient: string; identityFile: string }> {
  const identityFile = join(folder, name);
  writeFileSync(identityFile, `${identity}\n`, { mode: 0o600 });
  return { recipient: await identityToRecipient(identity), identityFile };
}

async function backUp({ controlUrl, bootstrapToken }: TestInstallation, ...recipients: string[]): Promise<Buffer> {
  const response = await fetch(new URL('/v1/backup', controlUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${bootstrapToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ recipients }),
  });
  assert.equal(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

const restoring = (place: TestPlace, input: string, identityFile: string, changes: Partial<Config> = {}) =>
  runRestore(
    testConfig(place, {
      command: 'restore',
      restore: { input, identityFile, drill: false, inputFiles: [] },
      ...changes,
    }),
  );

const drilling = (
  place: TestPlace,
  input: string,
  identityFile: string,
  inputFiles: readonly string[] = [],
  keyFile = `${place.folder}.key`,
) =>
  runDrill(
    testConfig(place, { command: 'restore', restore: { input, identityFile, drill: true, inputFiles }, keyFile }),
  );

onEachDatabase('a backup', (createOnThis) => {
  it('is of one state while others write, and restored it serves what was there, secrets too', async () => {
    await using place = await createOnThis();
    await using target = await createOnThis();
    const { recipient, identityFile } = await recipientWith(await generateHybridIdentity(), 'hybrid');
    const input = join(folder, 'whole.age');
    let secretId: string;
    let market: Awaited<ReturnType<typeof createMarket>>;
    let issued: Awaited<ReturnType<typeof market.issue>>;
    {
      await using installation = await startInstallation(place);
      market = await createMarket(installation);
      issued = await market.issue();
      const stored = { project: 'market', environment: 'test', path: 'a', data: { value: 'x'.repeat(50_000) } };
      secretId = (await installation.call('POST', '/v1/secrets', stored)).body.secret.id;
      let writing = true;
      const writes = (async () => {
        while (writing) await market.issue();
      })();
      writeFileSync(input, await backUp(installation, recipient));
      writing = false;
      await writes;
    }
    const report = await restoring(target, input, identityFile);
    assert.ok(report.rows > 20);
    // A token's secret is in no backup: whoever restores brings the file.
    copyFileSync(join(place.folder, 'bootstrap-token'), join(target.folder, 'bootstrap-token'));
    await using restored = await startInstallation(target, { keyFile: `${place.folder}.key` });
    const { body } = await restored.call('GET', '/v1/keys?limit=200', undefined, { token: tokenOf(place) });
    assert.ok(body.items.some(({ id }: { id: string }) => id === issued.keyId));
    const revealed = await restored.call('POST', `/v1/secrets/${secretId}/reveal`, {}, { token: tokenOf(place) });
    assert.equal(revealed.body.data.value.length, 50_000);
    const verdict = { key: issued.secret, environment: 'market/test', permission: 'prices:read' };
    assert.equal((await restored.verify(verdict, tokenOf(place))).code, 'VALID');
  });

  it('is restored whole or not at all, by each of its recipients', async () => {
    await using place = await createOnThis();
    const { recipient, identityFile } = await recipientWith(await generateX25519Identity(), 'x25519');
    const second = await recipientWith(await generateX25519Identity(), 'second');
    await using installation = await startInstallation(place);
    await createMarket(installation);
    const whole = await backUp(installation, recipient, second.recipient);
    const attempt = async (bytes: Buffer, by = identityFile, restoredBy = identityFile) => {
      await using target = await createOnThis();
      const input = join(folder, 'attempt.age');
      writeFileSync(input, bytes);
      await assert.rejects(restoring(target, input, by), RestoreRefused);
      // Nothing of it is there: the same place takes the whole one afterwards.
      writeFileSync(input, whole);
      await restoring(target, input, restoredBy);
      await assert.rejects(restoring(target, input, identityFile), /is not empty/);
    };
    for (const share of [0, 0.3, 0.9, 0.999]) await attempt(whole.subarray(0, Math.floor(whole.length * share)));
    const flipped = Buffer.from(whole);
    flipped[Math.floor(whole.length / 2)] = (flipped[Math.floor(whole.length / 2)] as number) ^ 1;
    await attempt(flipped, identityFile, second.identityFile);
    const other = await recipientWith(await generateX25519Identity(), 'other');
    await attempt(whole, other.identityFile);
  });
});

describe('a backup', () => {
  it('drilled opens every envelope, and leaves nothing behind', async () => {
    await using place = await createPlace('sqlite');
    const { recipient, identityFile } = await recipientWith(await generateX25519Identity(), 'drill');
    await using installation = await startInstallation(place);
    for (let i = 0; i < 20; i++) {
      const secret = { project: 'default', environment: 'production', path: `p/${i}`, data: { i } };
      assert.equal((await installation.call('POST', '/v1/secrets', secret)).status, 201);
    }
    const input = join(folder, 'drill.age');
    writeFileSync(input, await backUp(installation, recipient));
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('keyhold-drill-'));
    await assert.rejects(drilling(place, `${input}.typo`, identityFile), { code: 'ENOENT' }, 'which finds nothing');
    // As a ring of them: whichever the backup is encrypted to.
    const ring = [await generateX25519Identity(), readFileSync(identityFile, 'utf8'), await generateHybridIdentity()];
    writeFileSync(identityFile, `# of before\n${ring.join('\n')}\n`);
    const drilled = await drilling(place, input, identityFile);
    assert.equal(drilled.failed, null);
    // And the keys of the log and of personal parts.
    assert.ok((drilled.envelopes ?? 0) > 20, String(drilled.envelopes));
    assert.ok((drilled.sides ?? 0) > 20, String(drilled.sides));
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith('keyhold-drill-')),
      before,
    );
    const { at: _at, why: _why, ...found } = drilled;
    const entered = await installation.call('POST', '/v1/backup/drills', found);
    assert.equal(entered.status, 201);
    assert.ok(existsSync(place.folder));
  });

  it('drilled fails where a row, an entry or personal parts were edited, and names which', async () => {
    await using place = await createPlace('sqlite');
    const { recipient, identityFile } = await recipientWith(await generateX25519Identity(), 'edited');
    await using installation = await startInstallation(place);
    const { consumer } = await createMarket(installation);
    const input = join(folder, 'edited.age');
    const drill = async () => {
      writeFileSync(input, await backUp(installation, recipient));
      return await drilling(place, input, identityFile);
    };
    assert.equal((await drill()).failed, null);
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    const row = await past.row('consumers', consumer);
    await past.edit('consumers', consumer, { name: 'edited' });
    const ofRow = await drill();
    assert.deepEqual([ofRow.failed, ofRow.why], ['restore', `${consumer} is not what was recorded`]);
    await past.restore('consumers', row);

    const last = "case when substr(body, -1) = '0' then '1' else '0' end";
    await raw.run(`update entry_sides set body = substr(body, 1, length(body) - 1) || ${last}
      where sequence = (select max(sequence) from entry_sides)`);
    const { failed, why, rows, sides } = await drill();
    assert.equal(failed, 'sides');
    assert.match(why ?? '', /^1 do not open: the personal parts of entry \d+: broken$/);
    assert.ok((rows ?? 0) > 20 && sides === null);

    await raw.run('update entries set leaf = replace(leaf, \'"actor"\', \'"aktor"\') where sequence = 2');
    const ofEntry = await drill();
    assert.equal(ofEntry.failed, 'restore');
    assert.match(ofEntry.why ?? '', /^entry 2: /);
  });

  it('drilled fails where an envelope does not open that the ledger has so, and names its row', async () => {
    await using place = await createPlace('sqlite');
    const { recipient, identityFile } = await recipientWith(await generateX25519Identity(), 'broken');
    await using own = await openOwnVault(place);
    const [one, other] = [
      await createDelivery(own.vault, own.place, 600),
      await createDelivery(own.vault, own.place, 600),
    ];
    assert.ok(!isRefusal(one) && !isRefusal(other));
    const change = (work: (facts: Facts) => Promise<unknown>) =>
      own.vault.ledger.record({ actor: 'system', action: 'delivery.created', subject: one.id }, work);
    await change(async (facts) => {
      for (const { id, insert } of [one, other]) await insert(facts, id, new Secret('"x"'));
    });
    const row = await own.store.reader
      .selectFrom('deliveries')
      .selectAll()
      .where('id', '=', one.id)
      .executeTakeFirstOrThrow();
    const envelope = damaged(row.envelope ?? '')['a bit of the end flipped'] as string;
    await change((facts) => facts.update('deliveries', row, { envelope }));
    const encrypt = await encryptStream([recipient]);
    assert.ok(!isRefusal(encrypt));
    const sealed = await encrypt(writeBackup(own.store, systemClock).lines);
    const input = join(folder, 'broken.age');
    writeFileSync(input, await new Response(sealed).bytes());
    const { failed, why, envelopes } = await drilling(place, input, identityFile, [], own.keyFile);
    assert.deepEqual([failed, envelopes], ['envelopes', null]);
    assert.match(why ?? '', new RegExp(`^1 envelopes do not open: ${one.id}: `));
  });

  it('drilled opens a seal by what is brought for it, and finds nothing where that is missing or wrong', async () => {
    await using place = await createPlace('sqlite');
    const { recipient, identityFile } = await recipientWith(await generateX25519Identity(), 'sealed');
    await using installation = await startInstallation(place);
    const input = join(folder, 'sealed.age');
    const filesOf = (texts: readonly string[]) =>
      texts.map((text, i) => {
        const file = join(folder, `brought-${i}`);
        writeFileSync(file, `${text}\n`, { mode: 0o600 });
        return file;
      });
    const passphrase = (await changeSeal(installation, 'passphrase')) as Opener & { kind: 'passphrase' };
    writeFileSync(input, await backUp(installation, recipient));
    await assert.rejects(drilling(place, input, identityFile), /takes its passphrase: give --input-file/);
    const wrong = await drilling(place, input, identityFile, filesOf([`${passphrase.passphrase}x`]));
    assert.match(wrong.why ?? '', /root key does not open under the passphrase/);
    const opened = await drilling(place, input, identityFile, filesOf([passphrase.passphrase]));
    assert.deepEqual([opened.failed, (opened.envelopes ?? 0) > 0, (opened.sides ?? 0) > 0], [null, true, true]);

    const { shares } = (await changeSeal(installation, 'shamir')) as Opener & { kind: 'shamir' };
    writeFileSync(input, await backUp(installation, recipient));
    const [one = '', two = ''] = shares;
    for (const few of [[], [one], [one, one]])
      await assert.rejects(drilling(place, input, identityFile, filesOf(few)), /takes its 2 shares/);
    const mistyped = await drilling(place, input, identityFile, filesOf([one, `${two}0`]));
    assert.match(mistyped.why ?? '', /its seal does not open: It is not a share/);
    assert.equal((await drilling(place, input, identityFile, filesOf([one, two]))).failed, null);
  });

  it('takes every table, or says why not', async () => {
    await using place = await createPlace('sqlite');
    await using store = await openSqlite(join(place.folder, 'tables.db'));
    const { rows } = await sql<{ name: string }>`select name from sqlite_master where type = 'table'`.execute(
      store.reader,
    );
    const known = [...Object.keys(BACKUP_TABLES), ...NOT_BACKED_UP, 'schema_version'];
    assert.deepEqual(rows.map(({ name }) => name).sort(), known.sort());
  });

  it('is not made for who is no recipient, and not for who may not', async () => {
    await using place = await createPlace('sqlite');
    await using installation = await startInstallation(place);
    const { recipient } = await recipientWith(await generateX25519Identity(), 'refused');
    const token = (await installation.call('POST', '/v1/tokens', { name: 'reader', scopes: ['read'] })).body.secret;
    const cases: readonly (readonly [body: unknown, token: string | undefined, status: number])[] = [
      [{ recipients: [`${recipient.slice(0, -1)}b`] }, undefined, 400],
      [{ recipients: [] }, undefined, 400],
      [{}, undefined, 400],
      [{ recipients: [recipient] }, token, 403],
      [{ recipients: [recipient] }, 'nobody', 401],
    ];
    for (const [body, by, status] of cases) {
      const answer = await installation.call('POST', '/v1/backup', body, by === undefined ? {} : { token: by });
      assert.equal(answer.status, status, JSON.stringify(body));
    }
  });

  it('is not begun, entered or counted for a recipient that nothing can be encrypted to', async () => {
    await using place = await createPlace('sqlite');
    await using installation = await startInstallation(place);
    const { recipient } = await recipientWith(await generateX25519Identity(), 'low-order');
    for (let i = 0; i < 3; i++) {
      const body = { recipients: [recipient, LOW_ORDER] };
      const { status, body: problem } = await installation.call('POST', '/v1/backup', body);
      assert.deepEqual([status, problem.field], [400, '/recipients/1']);
    }
    await backUp(installation, recipient);
    const entries = await installation.call('GET', '/v1/audit/entries?action=backup.created');
    assert.equal(entries.body.items.length, 1);
  });
});

function tokenOf(place: TestPlace): string {
  return readFileSync(join(place.folder, 'bootstrap-token'), 'utf8').trim();
}
