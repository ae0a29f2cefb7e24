import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, it } from 'node:test';
import { damaged } from '../testing/damaged-envelope.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('a key written past the ledger', (createPlace) => {
  const shared = shareMarket(createPlace);
  let raw: RawDatabase;
  let past: WrittenPast;
  let secret: string;
  let key: string;
  const call = (method: string, path: string, body?: object) => shared().installation.call(method, path, body);
  const codeOf = async (path: string): Promise<string | undefined> => (await call('POST', path, {})).body.code;
  const reveal = () => codeOf(`/v1/secrets/${secret}/reveal`);

  before(async () => {
    raw = await openRaw(shared().place);
    past = new WrittenPast(raw);
    const body = { project: 'market', environment: 'test', path: 'a', data: { value: randomUUID() } };
    secret = (await shared().expect(201, 'POST', '/v1/secrets', body)).secret.id;
    const [version] = await raw.rows(`select vault_key_id from secret_versions where secret_id = '${secret}'`);
    key = version.vault_key_id;
  });
  after(() => raw[Symbol.asyncDispose]());

  it('is not opened from a row that says it is of another version', async () => {
    const row = await past.row('vault_keys', key);
    await past.edit('vault_keys', key, { version: 1000 });
    await past.mend('vault_keys', key);
    await shared().expect(200, 'POST', '/v1/seal');
    await shared().expect(200, 'POST', '/v1/unseal', {});
    assert.equal(await reveal(), 'ENVELOPE_BROKEN');
    // Of the key: what lies under it would not open either.
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    const subjects = alarms.map((alarm: { code: string; subject: string }) => `${alarm.code} ${alarm.subject}`);
    assert.deepEqual(subjects, [`ENVELOPE_BROKEN ${key}`]);
    await past.restore('vault_keys', row);
    assert.equal(await reveal(), undefined);
  });

  it('is not opened where it is the root key before, which keys may still lie under, damaged or another', async () => {
    const [{ id, root_key: previous }] = await raw.rows('select id, root_key from seals');
    const retired = () =>
      eventually('the root key before is given up', async () => {
        const row = await past.row('seals', id);
        return row['previous_root_key'] === null ? row : null;
      });
    await shared().expect(200, 'POST', '/v1/vault/root/rotate');
    const { root_key } = await retired();
    const { wrapped } = await past.row('vault_keys', key);
    await shared().expect(200, 'POST', '/v1/seal');
    const others = { 'the present one': String(root_key), 'a key of an environment': String(wrapped) };
    for (const [what, value] of Object.entries({ ...damaged(previous), ...others })) {
      await past.edit('seals', id, { previous_root_key: value });
      assert.equal(await codeOf('/v1/unseal'), 'ROW_TAMPERED', what);
      await past.mend('seals', id);
      assert.equal(await codeOf('/v1/unseal'), 'ENVELOPE_BROKEN', what);
      await past.edit('seals', id, { previous_root_key: null });
      await past.mend('seals', id);
    }
    await past.edit('seals', id, { previous_root_key: previous });
    await past.mend('seals', id);
    assert.equal(await codeOf('/v1/unseal'), undefined);
    await retired();
    assert.equal(await reveal(), undefined);
  });
});
