import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
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
});
