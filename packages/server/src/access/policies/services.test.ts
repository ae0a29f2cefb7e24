import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import { onEachDatabase } from '../../testing/databases.ts';
import { removePolicy, savePolicy, sharePoliced } from '../../testing/policies.ts';
import { assertStatus } from '../../testing/shared-market.ts';

onEachDatabase('a service, which no person confirms,', (createPlace) => {
  const shared = sharePoliced(createPlace);
  const call = async (secret: string, method: string, path: string, body?: object) => {
    const answer = await shared().installation.call(method, path, body, { token: secret });
    return answer.status < 300 ? 'done' : `${answer.status} ${answer.body.code}: ${answer.body.detail}`;
  };
  const reveal = (secret: string, path: string) =>
    call(secret, 'POST', `/v1/secrets/${shared().secrets.get(path)}/reveal`, {});
  const read = async (secret: string, path: string) => {
    const url = new URL(`/v1/secret/data/${path}`, shared().installation.vaultUrl);
    const headers = { 'x-vault-token': secret, 'x-vault-namespace': 'market/live' };
    return (await fetch(url, { headers })).status;
  };

  afterEach(async () => {
    const { owner } = shared();
    const { items } = assertStatus(await owner.call('GET', '/v1/policies'), 200);
    for (const { id } of items) await removePolicy(owner, id);
  });

  it('reveals only what a policy names by path, however much its scopes open, over both APIs', async () => {
    const { owner, token } = shared();
    const { id, secret } = await token(['admin']);
    assert.match(await reveal(secret, 'binance/main'), /^403 FORBIDDEN: No person confirms/);
    assert.equal(await read(secret, 'binance/main'), 403);
    const permit = (where: string) =>
      savePolicy(
        owner,
        'x',
        `permit(principal == Service::"${id}", action == Action::"secrets.reveal", resource ${where});`,
      );
    await permit('in Environment::"market/live"');
    assert.match(await reveal(secret, 'binance/main'), /^403/);
    await permit('');
    assert.match(await reveal(secret, 'binance/main'), /^403/);
    await permit('in Folder::"market/live/binance"');
    assert.equal(await reveal(secret, 'binance/main'), 'done');
    assert.equal(await read(secret, 'binance/spare'), 200);
    assert.match(await reveal(secret, 'kraken/main'), /^403/);
    assert.equal(await read(secret, 'kraken/main'), 403);
    await permit('== Secret::"market/live/plain"');
    assert.equal(await reveal(secret, 'plain'), 'done');
    assert.match(await reveal(secret, 'binance/main'), /^403/);
  });

  it('does what is of no production by its scopes', async () => {
    const { owner, token } = shared();
    const { secret } = await token(['admin']);
    const stored = { project: 'market', environment: 'test', path: 'of-tests', data: {} };
    const made = assertStatus(await owner.call('POST', '/v1/secrets', stored), 201).secret.id;
    assert.equal(await call(secret, 'POST', `/v1/secrets/${made}/reveal`, {}), 'done');
  });

  it('needs no scope for what a policy names', async () => {
    const { owner, token } = shared();
    const { id, secret } = await token(['verify']);
    assert.match(await reveal(secret, 'plain'), /^403/);
    await savePolicy(
      owner,
      'x',
      `permit(principal == Service::"${id}", action == Action::"secrets.reveal", resource == Secret::"market/live/plain");`,
    );
    assert.equal(await reveal(secret, 'plain'), 'done');
    assert.match(await reveal(secret, 'kraken/main'), /^404/);
    assert.match(await call(secret, 'GET', '/v1/secrets?project=market&environment=live'), /^403/);
  });

  it('issues, widens and rotates what does more than read only where a policy names it', async () => {
    const { owner, token, consumer } = shared();
    const { id, secret } = await token(['keys']);
    const issue = (environment: string, permissions: string[]) =>
      call(secret, 'POST', '/v1/keys', { project: 'market', environment, consumer, name: 'key', permissions });
    assert.equal(await issue('live', ['prices:read']), 'done');
    assert.equal(await issue('test', ['orders:write']), 'done');
    const refused = await issue('live', ['orders:write']);
    const [suggested = ''] = /permit\(.*\);/.exec(refused) ?? [];
    assert.match(suggested, new RegExp(`Service::"${id}"`));
    await savePolicy(owner, 'as-it-says', suggested);
    assert.equal(await issue('live', ['orders:write']), 'done');
    const { items } = assertStatus(await owner.call('GET', '/v1/keys?project=market&environment=live'), 200);
    const widen = { permissions: ['prices:read', 'orders:write', 'more:write'] };
    assert.match(await call(secret, 'PATCH', `/v1/keys/${items[0].id}`, widen), /^403 FORBIDDEN: No person/);
    assert.match(await call(secret, 'POST', `/v1/keys/${items[0].id}/rotate`, { overlapSeconds: 0 }), /^403/);
  });

  it('makes tokens only for every place that a policy names', async () => {
    const { owner, token } = shared();
    const { id, secret } = await token(['admin']);
    const make = (binding: object) =>
      call(secret, 'POST', '/v1/tokens', { name: 'more', scopes: ['read'], ...binding });
    await savePolicy(
      owner,
      'x',
      `permit(principal == Service::"${id}", action == Action::"tokens.create", resource in Project::"market");`,
    );
    assert.equal(await make({ projects: ['market'] }), 'done');
    assert.match(await make({ projects: ['other', 'market'] }), /^403/);
    assert.match(await make({}), /^403/);
    assert.match(await call(secret, 'POST', '/v1/seal', {}), /^403/);
    await savePolicy(
      owner,
      'y',
      `permit(principal == Service::"${id}", action == Action::"backup.create", resource == Installation::"here");`,
    );
    assert.match(await call(secret, 'POST', '/v1/vault/root-key/rotate', {}), /^403|^404/);
  });

  it('gives nobody what requests are signed with', async () => {
    const { owner, token } = shared();
    const { id, secret } = await token(['admin']);
    await savePolicy(
      owner,
      'x',
      `permit(principal == Service::"${id}", action == Action::"tokens.create", resource in Project::"market");`,
    );
    const body = { name: 'verifier', scopes: ['feed', 'feed:hmac'], projects: ['market'] };
    assert.match(await call(secret, 'POST', '/v1/tokens', body), /^403 FORBIDDEN: The scope feed:hmac/);
    assert.equal(await call(secret, 'POST', '/v1/tokens', { ...body, scopes: ['feed'] }), 'done');
  });

  it('is named by its workload only where the workload made its token', async () => {
    const { owner } = shared();
    const trusted = {
      name: 'ci',
      issuer: 'https://ci.example',
      audience: 'keyhold',
      claims: { sub: 'job' },
      scopes: ['read'],
    };
    const { workload } = assertStatus(await owner.call('POST', '/v1/workloads', trusted, { confirm: true }), 201);
    const body = { name: `workload ${workload.id}`, scopes: ['read'] };
    const refused = await owner.call('POST', '/v1/tokens', body, { confirm: true });
    assert.deepEqual([refused.status, refused.body.field], [400, '/name']);
  });

  it('is shown a suggestion in which a name stays a name', async () => {
    const { owner, token } = shared();
    const path = 'a");permit(principal,action,resource);x';
    const stored = { project: 'market', environment: 'live', path, data: {} };
    const { secret: made } = assertStatus(await owner.call('POST', '/v1/secrets', stored), 201);
    const { secret } = await token(['admin']);
    const refused = await call(secret, 'POST', `/v1/secrets/${made.id}/reveal`, {});
    const suggested = refused.slice(refused.indexOf('permit('));
    await savePolicy(owner, 'x', suggested);
    assert.equal(await call(secret, 'POST', `/v1/secrets/${made.id}/reveal`, {}), 'done');
    assert.match(await reveal(secret, 'plain'), /^403/);
  });
});
