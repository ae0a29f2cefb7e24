import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareVault } from '../testing/shared-vault.ts';

const HELLO = Buffer.from('hello').toString('base64');

onEachDatabase("Vault's wire API", (createPlace) => {
  const shared = shareVault(createPlace);
  const wire = () => shared().wire;

  it('answers what is no duration at once, however it is written', async () => {
    const token = await shared().token({ scopes: ['admin'], environment: 'default/production' });
    for (const wrapTtl of ['1'.repeat(60), `${'1'.repeat(30)}x`, `${'1s'.repeat(200)}x`]) {
      await wire().expect(400, 'GET', 'auth/token/lookup-self', undefined, { token, wrapTtl });
    }
    const body = { delete_version_after: '9'.repeat(64) };
    await wire().expect(400, 'POST', 'secret/config', body);
    await wire().expect(400, 'POST', 'secret/metadata/x', body);
  });

  it('lets nobody store anything who may only read', async () => {
    const token = await shared().token({ scopes: ['read'], environment: 'default/production' });
    await wire().expect(403, 'POST', 'sys/wrapping/wrap', { a: 1 }, { token, wrapTtl: '60s' });
  });

  it('gives what is wrapped only to who asks to take it', async () => {
    const { wrap_info } = await wire().expect(200, 'POST', 'sys/wrapping/wrap', { a: 1 }, { wrapTtl: '60s' });
    const options = { token: wrap_info.token as string };
    for (const method of ['HEAD', 'GET', 'LIST', 'DELETE']) {
      assert.equal((await wire().call(method, 'sys/wrapping/unwrap', undefined, options)).status, 405, method);
    }
    assert.deepEqual((await wire().expect(200, 'POST', 'sys/wrapping/unwrap', undefined, options)).data, { a: 1 });
  });

  it('wraps no more than a backup has room for', async () => {
    const many = JSON.stringify({ a: [] }).replace('[]', `[${'1E20,'.repeat(300_000)}1]`);
    const { status } = await fetch(`${shared().installation.vaultUrl}/v1/sys/wrapping/wrap`, {
      method: 'POST',
      headers: { 'x-vault-token': shared().installation.bootstrapToken, 'x-vault-wrap-ttl': '60s' },
      body: many,
    });
    assert.equal(status, 413);
  });

  it('refuses values of other types than it takes, and knows no names of its own objects', async () => {
    await wire().expect(200, 'POST', 'transit/keys/typed');
    const odd = { toString: 1, valueOf: 1 };
    for (const [path, body] of [
      ['transit/decrypt/typed', { ciphertext: odd }],
      ['transit/encrypt/typed', { plaintext: HELLO, key_version: odd }],
      ['transit/hmac/typed', { input: HELLO, algorithm: odd }],
      ['transit/hmac/typed/toString', { input: HELLO }],
      ['transit/datakey/plaintext/typed', { bits: odd }],
      ['transit/random', { bytes: odd }],
      ['transit/keys/typed/config', { min_decryption_version: odd }],
      ['transit/keys/typed2', { type: odd }],
      ['secret/config', { max_versions: odd }],
      ['secret/config', { delete_version_after: odd }],
      ['secret/metadata/typed', { max_versions: odd }],
    ] as const) {
      await wire().expect(400, 'POST', path, body);
    }
    const body = { data: { refused: 'x' }, refused: 'INVALID_JSON' };
    await wire().expect(200, 'POST', 'secret/data/typed', body);
  });

  it('answers paths that only begin like one of its own as it answers others that are not there', async () => {
    for (const path of ['transit/keysfoo', 'secret/configured', 'transit/randomly', 'sys/mountsx']) {
      await wire().expect(404, 'POST', path, {});
    }
  });

  it('decrypts with no key that was moved to another place past the ledger, nor below its least version', async () => {
    await wire().expect(200, 'POST', 'transit/keys/moved');
    const { ciphertext } = (await wire().expect(200, 'POST', 'transit/encrypt/moved', { plaintext: HELLO })).data;
    await using raw = await openRaw(shared().place);
    const [key] = await raw.rows(`select id, project_id, environment_id from transit_keys where name = 'moved'`);
    const [other] = await raw.rows(`select id, project_id from environments where id <> '${key.environment_id}'`);
    const set = (project: string, environment: string, least: number) =>
      raw.run(
        `update transit_keys set project_id = '${project}', environment_id = '${environment}',
         min_decryption_version = ${least} where id = '${key.id}'`,
      );
    await set(other.project_id, other.id, 1);
    const namespace = 'market/test';
    await wire().expect(409, 'POST', 'transit/decrypt/moved', { ciphertext }, { namespace });
    assert.deepEqual(await shared().alarmsAbout(key.id), ['ROW_TAMPERED']);
    await set(key.project_id, key.environment_id, 0);
    await wire().expect(409, 'POST', 'transit/decrypt/moved', { ciphertext });
    await set(key.project_id, key.environment_id, 1);
    await wire().expect(200, 'POST', 'transit/decrypt/moved', { ciphertext });
  });
});
