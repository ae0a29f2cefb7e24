import assert from 'node:assert/strict';
import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { startControlPlane } from '../app.ts';
import { createLog } from '../http/log.ts';
import { createPlace, onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { send, startInstallation, testConfig } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw } from '../testing/raw-database.ts';

const log = createLog('silent', 'test');

/** Starts once and ends: what a start makes or refuses. */
async function startOnce(place: TestPlace, keyFile?: string): Promise<void> {
  const config = testConfig(place, keyFile === undefined ? {} : { keyFile });
  await (await startControlPlane(config, log))[Symbol.asyncDispose]();
}

describe('the first start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
  after(() => rmSync(folder, { recursive: true }));

  it('makes a key file outside the data folder, and a later start without it is refused', async () => {
    await using place = await createPlace('sqlite');
    const userDataFolder = join(folder, 'user');
    const config = { ...testConfig(place), keyFile: undefined, userDataFolder };
    await (await startControlPlane(config, log))[Symbol.asyncDispose]();
    const keyFiles = () => readdirSync(userDataFolder).filter((file) => !file.endsWith('.head'));
    const [name = ''] = keyFiles();
    assert.match(name, /^inst_[0-9a-f-]{36}\.key$/);
    assert.equal(
      readdirSync(place.folder).some((file) => file.includes('.key')),
      false,
    );
    rmSync(join(userDataFolder, name));
    await assert.rejects(startControlPlane(config, log), { message: /is missing/ });
    assert.deepEqual(keyFiles(), [], 'none was made in its place');
  });

  it('takes a key file that lies there already, and leaves it to the other installation whose it is', async () => {
    const keyFile = join(folder, 'shared.key');
    await using one = await createPlace('sqlite');
    await using two = await createPlace('sqlite');
    await startOnce(one, keyFile);
    const before = readFileSync(keyFile, 'utf8');
    await startOnce(two, keyFile);
    assert.equal(readFileSync(keyFile, 'utf8'), before);
    await startOnce(one, keyFile);
    await startOnce(two, keyFile);
  });

  it('refuses a key file that lies there open to others or damaged, and does not overwrite it', async () => {
    await using place = await createPlace('sqlite');
    const keyFile = join(folder, 'loose.key');
    writeFileSync(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o644 });
    chmodSync(keyFile, 0o644);
    await assert.rejects(startOnce(place, keyFile), { message: /chmod 600/ });
    writeFileSync(keyFile, 'not a key\n');
    chmodSync(keyFile, 0o600);
    await assert.rejects(startOnce(place, keyFile), { message: /does not hold a 256-bit key/ });
    assert.equal(readFileSync(keyFile, 'utf8'), 'not a key\n');
  });
});

onEachDatabase('a start with the key file', (createPlace) => {
  it('warns that whoever reads the file has everything, until the seal is another one', async () => {
    await using place = await createPlace();
    const warned: unknown[][] = [];
    const listened = { ...log, info: () => {}, error: () => {}, warn: (...line: unknown[]) => void warned.push(line) };
    const [keyFile, told] = [`${place.folder}.key`, /whoever reads the key file has every secret/];
    for (const kind of ['file', 'passphrase']) {
      await using control = await startControlPlane(testConfig(place, { keyFile }), listened as never);
      await control.seal;
      const lines = warned.splice(0).filter(([, text]) => told.test(String(text)));
      assert.deepEqual(
        lines.map(([about]) => about),
        kind === 'file' ? [{ keyFile }] : [],
      );
      const token = readFileSync(control.bootstrapTokenFile, 'utf8').trim();
      const change = { kind: 'passphrase', passphrase: randomBytes(16).toString('hex') };
      if (kind === 'file') {
        const { status } = await send(new URL('/v1/seal/change', control.url), 'POST', change, { token });
        assert.equal(status, 200);
      }
    }
  });

  it('is refused when it is open to others, foreign or damaged', async () => {
    await using place = await createPlace();
    await startOnce(place);
    const keyFile = `${place.folder}.key`;
    const own = readFileSync(keyFile, 'utf8');
    chmodSync(keyFile, 0o640);
    await assert.rejects(startOnce(place), { name: 'KeyFileError', message: /chmod 600/ });
    chmodSync(keyFile, 0o600);
    writeFileSync(keyFile, `${randomBytes(32).toString('base64')}\n`);
    await assert.rejects(startOnce(place), { name: 'KeyFileError', message: /another installation/ });
    writeFileSync(keyFile, own.slice(4));
    await assert.rejects(startOnce(place), { name: 'KeyFileError', message: /256-bit/ });
    writeFileSync(keyFile, own);
    await startOnce(place);
  });

  it('goes on with that of an installation from before there were seals, and with no other', async () => {
    await using place = await createPlace();
    await startOnce(place);
    const keyFile = `${place.folder}.key`;
    const before = randomBytes(32);
    const derived = hkdfSync('sha256', before, Buffer.alloc(0), 'keyhold/v1/root-key-check', 32);
    {
      await using raw = await openRaw(place);
      await raw.run('delete from row_heads where row_id in (select id from seals)');
      await raw.run('delete from seals');
      const check = createHash('sha256').update(Buffer.from(derived)).digest('hex');
      await raw.run(`update ledger_head set root_key_check = '${check}'`);
    }
    await assert.rejects(startOnce(place), { name: 'KeyFileError', message: /another installation/ });
    rmSync(keyFile);
    await assert.rejects(startOnce(place), { name: 'KeyFileError', message: /is missing/ });
    assert.equal(existsSync(keyFile), false);
    writeFileSync(keyFile, `${before.toString('base64')}\n`, { mode: 0o644 });
    chmodSync(keyFile, 0o644);
    await assert.rejects(startOnce(place), { name: 'KeyFileError', message: /chmod 600/ });
    chmodSync(keyFile, 0o600);
    await using installation = await startInstallation(place);
    await createMarket(installation);
    const body = { project: 'market', environment: 'test', path: 'a', data: { a: 1 } };
    const stored = await installation.call('POST', '/v1/secrets', body);
    assert.equal(stored.status, 201);
    assert.equal(Buffer.from(readFileSync(keyFile, 'utf8'), 'base64').equals(before), true);
    await installation[Symbol.asyncDispose]();
    await startOnce(place);
  });

  it('is refused where the stored seal was edited past the ledger: it stays sealed, and an alarm says why', async () => {
    await using place = await createPlace();
    await startOnce(place);
    {
      await using raw = await openRaw(place);
      await raw.run('update seals set root_version = root_version + 1');
    }
    await using installation = await startInstallation(place);
    await createMarket(installation);
    const body = { project: 'market', environment: 'test', path: 'a', data: {} };
    assert.equal((await installation.call('POST', '/v1/secrets', body)).body.code, 'SEALED');
    assert.equal((await installation.call('GET', '/v1/seal')).body.code, 'ROW_TAMPERED');
    assert.equal((await installation.call('POST', '/v1/unseal')).body.code, 'ROW_TAMPERED');
    const { alarms } = (await installation.call('GET', '/v1/installation')).body;
    assert.ok(
      alarms.some(
        ({ code, subject }: { code: string; subject: string }) => code === 'ROW_TAMPERED' && /^seal_/.test(subject),
      ),
      JSON.stringify(alarms),
    );
  });
});
