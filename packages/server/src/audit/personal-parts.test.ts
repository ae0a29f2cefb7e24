import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { checkReceipt } from '@keyhold/auditor/check-receipt';
import { NODE_CHECKER } from '@keyhold/auditor/node-checker';
import { readTrust } from '@keyhold/auditor/trust';
import { isRefusal } from '@keyhold/protocol/errors';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { systemClock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import { decryptWith, encryptTo, newPair } from '../delivery/pair-cipher.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { moveClock } from '../testing/moved-clock.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { enrolOwner } from '../testing/person.ts';
import { closeSeal } from '../testing/seals.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { PersonalParts } from './personal-parts.ts';

onEachDatabase('personal parts of entries', (createPlace) => {
  const shared = shareMarket(createPlace, {}, { trustedProxies: ['127.0.0.1'] });
  const call = (method: string, path: string, body?: object) => shared().installation.call(method, path, body);
  const list = async (query: string): Promise<Entry[]> =>
    (await shared().expect(200, 'GET', `/v1/audit/entries?limit=200&${query}`)).items;
  /** Somebody else, with an entry of his own. */
  const somebody = async (name: string) => {
    const { token, secret } = await shared().expect(201, 'POST', '/v1/tokens', { name, scopes: ['admin'] });
    const created = await shared().installation.call('POST', '/v1/projects', { slug: name, name }, { token: secret });
    assert.equal(created.status, 201);
    return { id: token.id as string, secret };
  };
  const unseal = () => shared().expect(200, 'POST', '/v1/unseal', {});

  it('lie nowhere in the clear but in the columns that say so, and erased in no file at all', async () => {
    const address = `203.0.113.${randomInt(100, 250)}`;
    const headers = { 'x-forwarded-for': address };
    const { installation, place, market } = shared();
    const { token, secret } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'planted', scopes: ['admin'] });
    const by = (method: string, path: string, body?: object) =>
      installation.call(method, path, body, { token: secret, headers });
    assert.equal((await by('POST', '/v1/projects', { slug: 'planted', name: 'planted' })).status, 201);
    assert.equal((await by('POST', '/v1/projects', { slug: 'planted', name: 'planted' })).status, 409);
    const issued = await market.issue();
    await installation.verify({ key: issued.secret, environment: 'market/test', clientIp: address });
    const [entry] = await list(`actor=${token.id}`);
    assert.deepEqual([entry?.side, entry?.sideState], [{ ip: address }, 'shown']);
    await eventually('the use is counted', async () => (await found()).has('credential_usage.last_used_from'));

    // Written every few seconds, so that it may be there or not.
    const inTheClear = ['credential_usage.last_used_from', 'decisions.asked'];
    assert.deepEqual(
      [...(await found())].filter((column) => !inTheClear.includes(column)),
      [],
    );
    for (const subject of [token.id, market.consumer])
      await shared().expect(200, 'POST', `/v1/audit/subjects/${subject}/erase`);
    assert.deepEqual([...(await found())], []);
    if (place.databaseUrl !== undefined) return;
    for (const name of readdirSync(place.folder).filter((file) => file.startsWith('keyhold.db'))) {
      assert.equal(readFileSync(join(place.folder, name)).indexOf(address), -1, name);
    }

    /** Columns that have it. */
    async function found(): Promise<Set<string>> {
      await using raw = await openRaw(place);
      const columns = new Set<string>();
      for (const { name } of await raw.rows(
        place.databaseUrl === undefined
          ? "select name from sqlite_schema where type = 'table'"
          : "select table_name as name from information_schema.tables where table_schema = 'public'",
      ))
        for (const row of await raw.rows(`select * from ${name}`))
          for (const [column, value] of Object.entries(row))
            if (String(value).includes(address)) columns.add(`${name}.${column}`);
      return columns;
    }
  });

  it('are found by a whole value, of one subject or of all, and by nothing else', async () => {
    const { id } = await somebody('sought');
    const all = await list('personal=127.0.0.1');
    assert.ok(all.length > 3);
    const own = await list(`personal=127.0.0.1&about=${id}`);
    assert.deepEqual([...new Set(own.map(({ actor }) => actor))], [id]);
    assert.deepEqual(await list('personal=127.0.0'), []);
    assert.deepEqual(await list('personal=127.0.0.1&about=nobody'), []);
    assert.equal((await call('GET', '/v1/audit/entries?about=nobody')).body.field, 'personal');
    assert.deepEqual(await list('personal=127.0.0.1&until=2020-01-01T00:00:00Z'), []);
  });

  it('are found page by page also where there are more keys than can be tried, and not those of who was erased', async () => {
    const [erased, kept] = [await somebody('of-many-erased'), await somebody('of-many-kept')];
    const before = (await list('personal=127.0.0.1&order=asc')).map(({ sequence }) => sequence);
    await using raw = await openRaw(shared().place);
    await raw.run(`insert into personal_keys
      (id, salt, project_id, environment_id, subject, period, vault_key_id, envelope, created_at)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 2001)
      select 'pkey_of_many_' || i, salt, project_id, environment_id, 'many_' || i, period, vault_key_id, envelope, 0
      from n, (select * from personal_keys order by id limit 1) as one`);
    const found: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: Entry[]; nextCursor: string | null } = await shared().expect(
        200,
        'GET',
        `/v1/audit/entries?order=asc&limit=3&personal=127.0.0.1${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      found.push(...page.items.map(({ sequence }) => sequence));
      cursor = page.nextCursor;
    }
    assert.deepEqual(found, before);
    await shared().expect(200, 'POST', `/v1/audit/subjects/${erased.id}/erase`);
    const actors = new Set((await list('personal=127.0.0.1')).map(({ actor }) => actor));
    assert.deepEqual([actors.has(erased.id), actors.has(kept.id)], [false, true]);
    await raw.run("delete from personal_keys where id like 'pkey_of_many_%'");
  });

  it('are found where they were entered while the clock was ahead', async () => {
    await using place = await createPlace();
    {
      using _ahead = moveClock(40 * 86_400_000);
      await using installation = await startInstallation(place);
      assert.equal((await installation.call('POST', '/v1/projects', { slug: 'ahead', name: 'ahead' })).status, 201);
    }
    await using installation = await startInstallation(place);
    const search = '/v1/audit/entries?action=project.created&personal=127.0.0.1';
    const { items } = (await installation.call('GET', search)).body;
    assert.equal(items.length, 1);
  });

  it('are erased for good with their key, and every proof holds as before', async () => {
    const { id, secret } = await somebody('erased');
    const [entry] = await list(`actor=${id}&action=project.created`);
    const receiptOf = async () =>
      (await shared().expect(200, 'GET', `/v1/audit/entries/${entry?.sequence}/receipt`)).receipt;
    const before = await receiptOf();
    const erased = await shared().expect(200, 'POST', `/v1/audit/subjects/${id}/erase`);
    assert.deepEqual([erased.subject, erased.keys], [id, 1]);
    const [after] = await list(`actor=${id}&action=project.created`);
    assert.deepEqual([after?.side, after?.sideState, after?.leaf], [null, 'erased', entry?.leaf]);
    assert.deepEqual(await list(`personal=127.0.0.1&about=${id}`), []);
    const [noted] = await list('action=subject.erased');
    assert.deepEqual([noted?.subject, noted?.sequence], [id, erased.sequence]);
    const trust = readTrust(NODE_CHECKER.sha256, (await shared().expect(200, 'GET', '/v1/audit/log')).keys.join('\n'));
    for (const receipt of [before, await receiptOf()]) {
      assert.equal(typeof checkReceipt(NODE_CHECKER, trust, receipt), 'object');
    }
    await using raw = await openRaw(shared().place);
    assert.deepEqual(await raw.rows(`select * from personal_keys where subject = '${id}'`), []);
    // What he does from now on is kept again, under a key of its own.
    await shared().installation.call('POST', '/v1/projects', { slug: 'later', name: 'later' }, { token: secret });
    assert.deepEqual(
      (await list(`actor=${id}`)).map(({ sideState }) => sideState),
      ['shown', 'erased'],
    );
  });

  it('stay erased when their key is put back', async () => {
    const { id } = await somebody('returned');
    await using raw = await openRaw(shared().place);
    const [key] = await raw.rows(`select * from personal_keys where subject = '${id}'`);
    const [side] = await raw.rows(`select * from entry_sides where key_id = '${key.id}'`);
    await shared().expect(200, 'POST', `/v1/audit/subjects/${id}/erase`);
    await shared().installation.call('POST', '/v1/seal');
    await unseal();
    const put = async (table: string, row: Record<string, unknown>) => {
      const values = Object.values(row).map((value) => (typeof value === 'number' ? value : `'${value}'`));
      await raw.run(`insert into ${table} (${Object.keys(row).join()}) values (${values.join()})`);
    };
    await put('personal_keys', key);
    await put('entry_sides', side);
    const [entry] = await list(`actor=${id}`);
    assert.deepEqual([entry?.side, entry?.sideState], [null, 'broken']);
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    assert.ok(
      alarms.some(({ code, subject }: Record<string, string>) => code === 'ROW_TAMPERED' && subject === key.id),
    );
    await raw.run(`delete from personal_keys where id = '${key.id}'`);
  });

  it('are kept while sealed, encrypted to the month, and move to their subject after', async () => {
    const { id, secret } = await somebody('sealed');
    const { keyId } = await shared().market.issue();
    await closeSeal(shared().installation);
    const suspend = `/v1/keys/${keyId}/suspend`;
    assert.equal((await shared().installation.call('POST', suspend, {}, { token: secret })).status, 200);
    const [sealed] = await list(`actor=${id}`);
    assert.deepEqual([sealed?.side, sealed?.sideState], [null, 'sealed']);
    assert.equal((await call('POST', `/v1/audit/subjects/${id}/erase`)).body.code, 'SEALED');
    assert.equal((await call('GET', '/v1/audit/entries?personal=127.0.0.1')).body.code, 'SEALED');
    await unseal();
    const [opened] = await list(`actor=${id}`);
    assert.deepEqual([opened?.side, opened?.sideState], [{ ip: '127.0.0.1' }, 'shown']);
    await using raw = await openRaw(shared().place);
    await eventually('everything lies under a key of its subject', async () => {
      const rows = await raw.rows("select sequence from entry_sides where key_id like 'pper%'");
      return rows.length === 0;
    });
    assert.ok((await list(`personal=127.0.0.1&about=${id}`)).some(({ sequence }) => sequence === sealed?.sequence));
  });

  it('are kept however long it is sealed: the newest public key outlives its month until there is another', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    let now = Date.UTC(2026, 9, 20);
    const clock = { ...systemClock, wall: () => now };
    const vault = { ...own.vault, clock };
    const pair = { newPair, encryptTo, decryptWith };
    const personal = new PersonalParts({ vault, scratch: new Scratch(own.store), place: own.place, pair });
    const eachMinute = async () => {
      await personal.ensurePeriods();
      await personal.forgetPeriods();
    };
    const periods = async () =>
      (await own.store.reader.selectFrom('period_keys').select('period').orderBy('period').execute()).map(
        ({ period }) => period,
      );
    await own.gate.openByItself();
    await eachMinute();
    assert.deepEqual(await periods(), ['2026-10', '2026-11']);
    await own.gate.close({ actor: 'system' });
    now = Date.UTC(2027, 1, 3);
    await eachMinute();
    const side = { about: 'tok_x', atMs: now, salt: '00'.repeat(32), text: '{"ip":"203.0.113.9"}' };
    assert.notEqual((await personal.prepare(side)).row, null);
    assert.ok(!isRefusal(await own.gate.unseal({ actor: 'system' }, {})));
    await eachMinute();
    assert.deepEqual(await periods(), ['2027-02', '2027-03']);
  });

  it('are never shown beside another entry, cut or changed', async () => {
    const [one, two] = [await somebody('swap-one'), await somebody('swap-two')];
    const [own] = await list(`actor=${one.id}&action=project.created`);
    const [other] = await list(`actor=${two.id}&action=project.created`);
    await using raw = await openRaw(shared().place);
    const [kept] = await raw.rows(`select * from entry_sides where sequence = ${own?.sequence}`);
    const [foreign] = await raw.rows(`select * from entry_sides where sequence = ${other?.sequence}`);
    const edits = {
      'the side of another': foreign,
      'under the key of another': { ...kept, key_id: foreign.key_id },
      'cut off': { ...kept, body: kept.body.slice(0, -2) },
      empty: { ...kept, body: '' },
      'a bit flipped': {
        ...kept,
        body: `${kept.body.slice(0, 40)}${kept.body[40] === '0' ? '1' : '0'}${kept.body.slice(41)}`,
      },
      'in the clear': { key_id: null, salt: '00'.repeat(32), body: '{"ip":"198.51.100.7"}' },
    };
    const put = ({ key_id, salt, body }: { key_id: string | null; salt: string; body: string }) =>
      raw.run(`update entry_sides set key_id = ${key_id === null ? 'null' : `'${key_id}'`}, salt = '${salt}',
        body = '${body}' where sequence = ${own?.sequence}`);
    for (const [what, edited] of Object.entries(edits)) {
      await put(edited);
      const [entry] = await list(`actor=${one.id}&action=project.created`);
      assert.deepEqual([entry?.side, entry?.sideState], [null, 'broken'], what);
    }
    await put(kept);
    assert.equal((await list(`actor=${one.id}&action=project.created`))[0]?.sideState, 'shown');
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    assert.ok(
      alarms.some(({ code, subject }: Record<string, string>) => code === 'ENVELOPE_BROKEN' && subject === own?.id),
    );
  });

  it('leave no bytes of their key or of themselves in the files of the database once they are erased', async () => {
    const { folder, databaseUrl } = shared().place;
    if (databaseUrl !== undefined) return;
    const { id } = await somebody('bytes');
    await using raw = await openRaw(shared().place);
    const [key] = await raw.rows(`select envelope from personal_keys where subject = '${id}'`);
    const [side] = await raw.rows(
      `select body from entry_sides where key_id = (select id from personal_keys where subject = '${id}')`,
    );
    const isIn = (text: string) =>
      readdirSync(folder)
        .filter((file) => file.startsWith('keyhold.db'))
        .some((file) => readFileSync(join(folder, file)).includes(text));
    assert.equal(isIn(key.envelope) && isIn(side.body), true, 'they are there before');
    await shared().expect(200, 'POST', `/v1/audit/subjects/${id}/erase`);
    assert.deepEqual([isIn(key.envelope), isIn(side.body)], [false, false]);
  });

  it('are erased whole though a key of the subject was damaged while something waited to be moved', async () => {
    const { id, secret } = await somebody('damaged');
    const { keyId } = await shared().market.issue();
    await using raw = await openRaw(shared().place);
    await raw.run(`update personal_keys set envelope = '00' where subject = '${id}'`);
    await closeSeal(shared().installation);
    assert.equal(
      (await shared().installation.call('POST', `/v1/keys/${keyId}/suspend`, {}, { token: secret })).status,
      200,
    );
    await unseal();
    await shared().expect(200, 'POST', `/v1/audit/subjects/${id}/erase`);
    assert.deepEqual([...new Set((await list(`actor=${id}`)).map(({ sideState }) => sideState))], ['erased']);
    assert.deepEqual(await raw.rows(`select id from personal_keys where subject = '${id}'`), []);
  });

  it('are erased whole though the key that they wait under is damaged, and put back after', async () => {
    const { id, secret } = await somebody('waiting');
    const { keyId } = await shared().market.issue();
    await closeSeal(shared().installation);
    const suspend = `/v1/keys/${keyId}/suspend`;
    assert.equal((await shared().installation.call('POST', suspend, {}, { token: secret })).status, 200);
    await using raw = await openRaw(shared().place);
    const kept = await raw.rows('select id, envelope from period_keys');
    await raw.run("update period_keys set envelope = '00'");
    await unseal();
    await shared().expect(200, 'POST', `/v1/audit/subjects/${id}/erase`);
    for (const key of kept) await raw.run(`update period_keys set envelope = '${key.envelope}' where id = '${key.id}'`);
    assert.deepEqual([...new Set((await list(`actor=${id}`)).map(({ sideState }) => sideState))], ['erased']);
    assert.deepEqual(await raw.rows("select sequence from entry_sides where key_id like 'pper%'"), []);
  });

  it('are erased though no key of the subject can be made to move them under', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const { keyId } = await (await createMarket(installation)).issue();
    const made = await installation.call('POST', '/v1/tokens', { name: 'unmoved', scopes: ['admin'] });
    const { token, secret } = made.body;
    await closeSeal(installation);
    assert.equal((await installation.call('POST', `/v1/keys/${keyId}/suspend`, {}, { token: secret })).status, 200);
    await using raw = await openRaw(place);
    const [key] = await raw.rows("select * from vault_keys where purpose = 'personal'");
    // Newer than the one that there is, and in no entry.
    const forged = { ...key, id: `${key.id.slice(0, -4)}${key.id.endsWith('ffff') ? '0000' : 'ffff'}`, version: 99 };
    const values = Object.values(forged).map((value) =>
      value === null ? 'null' : typeof value === 'number' ? value : `'${value}'`,
    );
    await raw.run(`insert into vault_keys (${Object.keys(forged).join()}) values (${values.join()})`);
    assert.equal((await installation.call('POST', '/v1/unseal', {})).status, 200);
    const states = async () =>
      (await installation.call('GET', `/v1/audit/entries?actor=${token.id}`)).body.items.map(
        ({ sideState }: Entry) => sideState,
      );
    assert.deepEqual(await states(), ['shown']);
    assert.equal((await installation.call('POST', `/v1/audit/subjects/${token.id}/erase`)).status, 200);
    assert.deepEqual(await states(), ['erased']);
  });

  it('are of whoever acts, in what he does for another too: they go with him, and not with the other', async () => {
    const address = `198.51.100.${randomInt(100, 250)}`;
    await using place = await createPlace();
    await using installation = await startInstallation(place, { trustedProxies: ['127.0.0.1'] });
    const market = await createMarket(installation);
    const owner = await enrolOwner(installation);
    const by = async (status: number, method: string, path: string, body?: object) => {
      const answer = await owner.call(method, path, body, { confirm: true, headers: { 'x-forwarded-for': address } });
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      return answer.body;
    };
    const { person } = await by(201, 'POST', '/v1/people', { name: 'Ann', role: 'developer', reason: 'new' });
    const granted = await by(201, 'POST', `/v1/people/${person.id}/roles`, { role: 'auditor', reason: 'more' });
    await by(200, 'DELETE', `/v1/roles/${granted.grant.id}`);
    await by(201, 'POST', `/v1/consumers/${market.consumer}/factors/totp`, { environment: 'test', name: 'x' });
    const found = async () => (await owner.call('GET', `/v1/audit/entries?limit=200&personal=${address}`)).body.items;
    const actions = ['factor.enrolled', 'person.invited', 'role.ended', 'role.granted'];
    const erase = (subject: string) => by(200, 'POST', `/v1/audit/subjects/${subject}/erase`);
    for (const other of [person.id, market.consumer]) await erase(other);
    const seen: Entry[] = await found();
    assert.deepEqual(
      actions.filter((one) => !seen.some(({ action }) => action === one)),
      [],
    );
    await erase(owner.id);
    assert.deepEqual(await found(), []);
  });

  it('of who erases himself go too, with the address that he erased them from', async () => {
    const { id, secret } = await somebody('self');
    const path = `/v1/audit/subjects/${id}/erase`;
    assert.equal((await shared().installation.call('POST', path, {}, { token: secret })).status, 200);
    const states = (await list(`actor=${id}`)).map(({ sideState }) => sideState);
    assert.ok(states.length >= 2 && states.every((state) => state === 'erased' || state === 'none'), states.join());
  });
});
