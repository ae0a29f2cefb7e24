import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareVault } from '../testing/shared-vault.ts';

onEachDatabase("an environment's settings of secrets that were written past the ledger", (createPlace) => {
  const shared = shareVault(createPlace);
  let count = 0;
  /** An environment whose settings ask for check-and-set, and a secret of three versions in it. */
  const prepare = async () => {
    const name = `e${++count}`;
    const settings = { name, prefix: `mkt_e${count}`, kind: 'testing' };
    const { id } = await shared().expect(201, 'POST', '/v1/projects/market/environments', settings);
    const options = { namespace: `market/${name}` };
    const wire = (status: number, method: string, path: string, body?: object) =>
      shared().wire.expect(status, method, path, body, options);
    await wire(204, 'POST', 'secret/config', { max_versions: 10, cas_required: true });
    for (const cas of [0, 1, 2]) await wire(200, 'POST', 'secret/data/a', { data: { cas }, options: { cas } });
    return { id, wire };
  };
  const changes = {
    edited: 'update secret_settings set max_versions = 1, cas_required = 0 where environment_id =',
    deleted: 'delete from secret_settings where environment_id =',
    moved: `update secret_settings set environment_id = 'env_elsewhere' where environment_id =`,
  };

  for (const [how, statement] of Object.entries(changes)) {
    it(`and are now ${how} are not obeyed, served or set, and raise an alarm: no version is destroyed by them`, async () => {
      const { id, wire } = await prepare();
      await using raw = await openRaw(shared().place);
      const [{ id: row }] = await raw.rows(`select id from secret_settings where environment_id = '${id}'`);
      await raw.run(`${statement} '${id}'`);
      await wire(409, 'POST', 'secret/data/a', { data: {} });
      assert.deepEqual(await shared().alarmsAbout(row), ['ROW_TAMPERED']);
      await wire(409, 'GET', 'secret/config');
      await wire(409, 'POST', 'secret/config', { max_versions: 3 });
      const { data } = await wire(200, 'GET', 'secret/metadata/a');
      const destroyed = Object.values(data.versions as { destroyed: boolean }[]).map((version) => version.destroyed);
      assert.deepEqual(destroyed, [false, false, false]);
      const project = { project: 'market', environment: `e${count}` };
      await shared().expect(409, 'POST', '/v1/secrets', { ...project, path: 'b', data: {} });
    });
  }

  it('and are slipped in where there are none are not obeyed', async () => {
    const { id, wire } = await prepare();
    const bare = { name: 'bare', prefix: 'mkt_bare', kind: 'testing' };
    const other = await shared().expect(201, 'POST', '/v1/projects/market/environments', bare);
    await using raw = await openRaw(shared().place);
    const columns = 'salt, project_id, max_versions, cas_required, delete_after_seconds, created_at';
    await raw.run(`insert into secret_settings (id, environment_id, ${columns})
      select '${id.replace('env', 'sset').replace(/.{4}$/, 'ffff')}', '${other.id}', ${columns}
      from secret_settings where environment_id = '${id}'`);
    const options = { namespace: 'market/bare' };
    await shared().wire.expect(409, 'POST', 'secret/data/a', { data: {} }, options);
    const { data } = await shared().wire.expect(200, 'GET', 'secret/config', undefined, options);
    assert.equal(data.max_versions, 0);
    await wire(200, 'POST', 'secret/data/a', { data: {}, options: { cas: 3 } });
  });
});
