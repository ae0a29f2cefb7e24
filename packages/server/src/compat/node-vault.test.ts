import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import nodeVault from 'node-vault';
import { onEachDatabase } from '../testing/databases.ts';
import { type SharedVault, shareVault } from '../testing/shared-vault.ts';

/** As an application makes it: nothing but the address and a token. */
function clientOf({ installation }: SharedVault, settings: object = {}) {
  return nodeVault({ endpoint: installation.vaultUrl, token: installation.bootstrapToken, ...settings });
}

const statusOf = (status: number) => (error: { response?: { statusCode: number } }) =>
  error.response?.statusCode === status;

onEachDatabase('node-vault works unchanged:', (createPlace) => {
  const shared = shareVault(createPlace);

  it('health, status, mounts, its own token', async () => {
    const vault = clientOf(shared());
    assert.equal((await vault.health()).sealed, false);
    assert.equal((await vault.status()).sealed, false);
    assert.equal((await vault.initialized()).initialized, true);
    assert.deepEqual(Object.keys((await vault.mounts()).data), ['secret/', 'transit/']);
    assert.equal((await vault.tokenLookupSelf()).data.id, shared().installation.bootstrapToken);
    assert.equal((await vault.tokenRenewSelf()).auth.renewable, false);
    const token = await shared().token({ scopes: ['read'] });
    const own = clientOf(shared(), { token });
    await own.tokenRevokeSelf();
    await assert.rejects(own.tokenLookupSelf(), statusOf(403));
  });

  it('AppRole: a role, a secret id, a login', async () => {
    const vault = clientOf(shared());
    await vault.addApproleRole({ role_name: 'nv', policies: 'admin' });
    const { role_id } = (await vault.getApproleRoleId({ role_name: 'nv' })).data;
    const { secret_id } = (await vault.getApproleRoleSecret({ role_name: 'nv' })).data;
    const fresh = clientOf(shared(), { token: undefined });
    const { auth } = await fresh.approleLogin({ role_id, secret_id });
    fresh.token = auth.client_token;
    await fresh.write('secret/data/ar/one', { data: { n: 1 } });
    await assert.rejects(fresh.approleLogin({ role_id, secret_id: 'x' }), statusOf(400));
    assert.deepEqual((await vault.approleRoles()).data.keys, ['nv']);
    await vault.deleteApproleRole({ role_name: 'nv' });
    await assert.rejects(fresh.read('secret/data/ar/one'), statusOf(403));
  });

  it('KV: write, read, list, update, versions, delete, undelete, destroy', async () => {
    const vault = clientOf(shared());
    const apiKey = randomBytes(16).toString('hex');
    assert.equal((await vault.write('secret/data/nv/a', { data: { apiKey } })).data.version, 1);
    assert.equal((await vault.read('secret/data/nv/a')).data.data.apiKey, apiKey);
    assert.equal((await vault.write('secret/data/nv/a', { data: { n: 2 }, options: { cas: 1 } })).data.version, 2);
    await assert.rejects(vault.write('secret/data/nv/a', { data: {}, options: { cas: 1 } }), statusOf(400));
    const updated = await vault.update('secret/data/nv/a', { data: { more: true } });
    assert.equal(updated.data.version, 3);
    assert.deepEqual((await vault.read('secret/data/nv/a')).data.data, { n: 2, more: true });
    assert.equal((await vault.read('secret/data/nv/a?version=1')).data.data.apiKey, apiKey);
    assert.deepEqual((await vault.list('secret/metadata/nv')).data.keys, ['a']);
    await vault.delete('secret/data/nv/a');
    await assert.rejects(vault.read('secret/data/nv/a'), statusOf(404));
    await vault.write('secret/undelete/nv/a', { versions: [3] });
    assert.equal((await vault.read('secret/data/nv/a')).data.metadata.version, 3);
    await vault.write('secret/destroy/nv/a', { versions: [1] });
    assert.equal((await vault.read('secret/metadata/nv/a')).data.versions[1].destroyed, true);
    await vault.delete('secret/metadata/nv/a');
    await assert.rejects(vault.list('secret/metadata/nv'), statusOf(404));
  });

  it('KV in the namespace that it is made with', async () => {
    const vault = clientOf(shared(), { namespace: 'market/test' });
    await vault.write('secret/data/nv/ns', { data: { n: 1 } });
    assert.equal((await vault.read('secret/data/nv/ns')).data.data.n, 1);
    await assert.rejects(clientOf(shared()).read('secret/data/nv/ns'), statusOf(404));
  });

  it('transit: create, list, encrypt, decrypt, rewrap, rotate', async () => {
    const vault = clientOf(shared());
    const plaintext = randomBytes(24).toString('base64');
    await vault.transitCreateKey({ name: 'nv' });
    assert.ok((await vault.transitListKeys()).data.keys.includes('nv'));
    const { ciphertext } = (await vault.encryptData({ name: 'nv', plaintext })).data;
    assert.equal((await vault.decryptData({ name: 'nv', ciphertext })).data.plaintext, plaintext);
    await vault.write('transit/keys/nv/rotate', {});
    assert.equal((await vault.transitReadKey({ name: 'nv' })).data.latest_version, 2);
    const rewrapped = (await vault.rewrapData({ name: 'nv', ciphertext })).data.ciphertext;
    assert.match(rewrapped, /^vault:v2:/);
    assert.equal((await vault.decryptData({ name: 'nv', ciphertext: rewrapped })).data.plaintext, plaintext);
    await assert.rejects(vault.transitDeleteKey({ name: 'nv' }), statusOf(400));
  });

  it('wrapping: an answer that the second who unwraps does not get', async () => {
    const vault = clientOf(shared());
    await vault.write('secret/data/nv/w', { data: { n: 1 } });
    const headers = { 'X-Vault-Wrap-TTL': '1m' };
    const { token } = (await vault.read('secret/data/nv/w', { headers })).wrap_info;
    const other = clientOf(shared(), { token });
    assert.deepEqual((await other.unwrap()).data.data, { n: 1 });
    await assert.rejects(other.unwrap(), statusOf(400));
  });
});
