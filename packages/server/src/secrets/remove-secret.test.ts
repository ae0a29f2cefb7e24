import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import type { Alarm } from '../ledger/alarms.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('a secret that ends', (createPlace) => {
  const shared = shareMarket(createPlace);
  const body = (path: string, settings: object = {}) => ({
    ...{ project: 'market', environment: 'test', path, data: { a: 1 } },
    ...settings,
  });
  const store = async (path: string, settings?: object) =>
    (await shared().expect(201, 'POST', '/v1/secrets', body(path, settings))).secret;
  const alarms = async () => (await shared().expect(200, 'GET', '/v1/installation')).alarms;

  const alarmed = async () =>
    new Set((await alarms()).map(({ code, subject }: Alarm) => (code === 'ROW_TAMPERED' ? subject : '')));
  /** Edits every version of a secret past the ledger; their ids. */
  const edit = async (id: string): Promise<string[]> => {
    await using raw = await openRaw(shared().place);
    await raw.run(`update secret_versions set created_at = created_at + 1 where secret_id = '${id}'`);
    const rows = await raw.rows(`select id from secret_versions where secret_id = '${id}'`);
    return rows.map((row) => row.id);
  };
  const undestroyed = async (id: string): Promise<number[]> => {
    await using raw = await openRaw(shared().place);
    const rows = await raw.rows(
      `select version from secret_versions where secret_id = '${id}' and envelope is not null order by version`,
    );
    return rows.map(({ version }) => version);
  };

  it('is removed with more versions than one entry holds, and its path is free', async () => {
    const many = 130;
    let id = '';
    for (let i = 0; i < many; i++) id = (await store('many')).id;
    const removed = await shared().expect(200, 'DELETE', `/v1/secrets/${id}`);
    assert.deepEqual(removed, { id, versions: many });
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/versions'],
      ['POST', '/reveal'],
      ['DELETE', ''],
    ] as const) {
      const gone = await shared().expect(404, method, `/v1/secrets/${id}${path}`, method === 'POST' ? {} : undefined);
      assert.equal(gone.code, 'SECRET_NOT_FOUND');
    }
    await using raw = await openRaw(shared().place);
    assert.deepEqual(await raw.rows(`select id from secret_versions where secret_id = '${id}'`), []);
    const again = await store('many', { cas: 0 });
    assert.notEqual(again.id, id);
    assert.equal(again.version, 1);
    assert.deepEqual(await alarms(), []);
  });

  it('is removed or written, whichever comes first, when both are asked for at once', async () => {
    for (let round = 0; round < 10; round++) {
      const path = `race/${round}`;
      const { id } = await store(path);
      const { installation } = shared();
      const writes = Array.from({ length: 6 }, () => installation.call('POST', '/v1/secrets', body(path)));
      const removal = installation.call('DELETE', `/v1/secrets/${id}`);
      const answers = await Promise.all([...writes, removal]);
      for (const { status, body: problem } of answers) assert.ok(status < 500, JSON.stringify(problem));
      await using raw = await openRaw(shared().place);
      const orphans = await raw.rows(`select id from secret_versions where secret_id not in (select id from secrets)`);
      assert.deepEqual(orphans, []);
    }
    assert.deepEqual(await alarms(), []);
  });

  it('reads as deleted when its time is over, and is undeleted for good', async () => {
    const { id } = await store('short', { ttlSeconds: 1 });
    const gone = await eventually('the version expires', async () => {
      const answer = await shared().installation.call('POST', `/v1/secrets/${id}/reveal`, {});
      return answer.status === 200 ? null : answer.body;
    });
    assert.equal(gone.code, 'SECRET_VERSION_GONE');
    const { items } = await shared().expect(200, 'GET', `/v1/secrets/${id}/versions`);
    assert.equal(items[0].state, 'deleted');
    assert.equal(Date.parse(items[0].expiresAt) - Date.parse(items[0].createdAt), 1000);
    const undeleted = await shared().expect(200, 'POST', `/v1/secrets/${id}/undelete`, { versions: [1] });
    assert.deepEqual([undeleted.versions[0].state, undeleted.versions[0].expiresAt], ['live', null]);
    await shared().expect(200, 'POST', `/v1/secrets/${id}/reveal`, {});
  });

  it('takes new versions, and its old ones go, though one of them was written past the ledger', async () => {
    const { id } = await store('edited/old');
    await shared().expect(200, 'PATCH', `/v1/secrets/${id}`, { maxVersions: 1 });
    const [edited] = await edit(id);
    await store('edited/old');
    assert.deepEqual(await undestroyed(id), [2]);
    assert.ok((await alarmed()).has(edited));
    await store('edited/old');
    assert.deepEqual(await undestroyed(id), [3]);
  });

  it('has its versions destroyed, more than one entry holds, though they and it were written past the ledger', async () => {
    const many = 50;
    const { id } = await store('edited/versions');
    await shared().expect(200, 'PATCH', `/v1/secrets/${id}`, { maxVersions: 100 });
    for (let i = 1; i < many; i++) await store('edited/versions');
    const edited = await edit(id);
    await using raw = await openRaw(shared().place);
    await raw.run(`update secrets set created_at = created_at + 1 where id = '${id}'`);
    const versions = Array.from({ length: many }, (_, i) => i + 1);
    for (const word of ['delete', 'undelete']) {
      const refused = await shared().expect(409, 'POST', `/v1/secrets/${id}/${word}`, { versions });
      assert.equal(refused.code, 'ROW_TAMPERED', 'what can be undone is not done on such a row');
    }
    const destroyed = await shared().expect(200, 'POST', `/v1/secrets/${id}/destroy`, { versions });
    assert.ok(destroyed.versions.every(({ state }: { state: string }) => state === 'destroyed'));
    assert.equal(destroyed.versions.length, many);
    assert.deepEqual(await undestroyed(id), []);
    const raised = await alarmed();
    for (const one of [id, ...edited]) assert.ok(raised.has(one), one);
  });

  it('is removed with every row that lies under it, also those that were edited or slipped in', async () => {
    const { id } = await store('edited/removed');
    for (let i = 0; i < 51; i++) await store('edited/removed');
    const [edited] = await edit(id);
    const slipped = String(edited).replace(/.{4}$/, 'ffff');
    await using raw = await openRaw(shared().place);
    await raw.run(`insert into secret_versions (id, version, ${COLUMNS})
      select '${slipped}', 9999, ${COLUMNS} from secret_versions where id = '${edited}'`);
    await raw.run(`update secrets set metadata = '{"owner":"me"}' where id = '${id}'`);
    const removed = await shared().expect(200, 'DELETE', `/v1/secrets/${id}`);
    assert.deepEqual(removed, { id, versions: 53 });
    assert.deepEqual(await raw.rows(`select id from secret_versions where secret_id = '${id}'`), []);
    assert.deepEqual(await raw.rows(`select id from secrets where id = '${id}'`), []);
    const raised = await alarmed();
    for (const one of [id, slipped]) assert.ok(raised.has(one), one);
    assert.notEqual((await store('edited/removed', { cas: 0 })).id, id);
  });
});

const COLUMNS =
  'salt, project_id, environment_id, secret_id, vault_key_id, envelope, deleted_at, expires_at, created_at';
