import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, it } from 'node:test';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { type SharedVault, shareVault, vaultWire } from '../testing/shared-vault.ts';

const DENIED = { errors: ['permission denied'] };
const NOT_THERE = { errors: [] };

onEachDatabase("Vault's system and token paths", (createPlace) => {
  const shared = shareVault(createPlace);

  it('say without a token that it is up, initialised and unsealed', async () => {
    const health = await shared().wire.expect(200, 'GET', 'sys/health', undefined, { token: undefined });
    const { initialized, sealed, standby, version, cluster_id } = health;
    assert.deepEqual([initialized, sealed, standby], [true, false, false]);
    assert.match(version, /^1\.\d+\.\d+\+keyhold\./);
    assert.match(cluster_id, /^ins/);
    assert.ok(Math.abs(health.server_time_utc - Date.now() / 1000) < 10);
    for (const [code, answered] of Object.entries({ 206: 206, 299: 299, x: 400, 99: 400, 1000: 400, '': 400 })) {
      const path = `sys/health?activecode=${code}&sealedcode=500`;
      await shared().wire.expect(answered, 'GET', path, undefined, { token: undefined });
    }
    const status = await shared().wire.expect(200, 'GET', 'sys/seal-status', undefined, { token: undefined });
    assert.deepEqual(
      [status.type, status.initialized, status.sealed, status.t, status.n, status.progress],
      ['file', true, false, 1, 1, 0],
    );
    const init = await shared().wire.expect(200, 'GET', 'sys/init', undefined, { token: undefined });
    assert.deepEqual(init, { initialized: true });
    await shared().wire.expect(404, 'PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
    assert.equal((await shared().wire.call('HEAD', 'sys/health', undefined, { token: undefined })).status, 200);
  });

  it('say nothing else without a living token', async () => {
    for (const token of [
      undefined,
      '',
      'hvs.none',
      'x'.repeat(5_000),
      shared().installation.bootstrapToken.slice(0, -1),
    ]) {
      for (const [method, path] of [
        ...[
          ['GET', 'secret/data/a'],
          ['LIST', 'secret/metadata/'],
          ['POST', 'transit/encrypt/a'],
          ['GET', 'sys/mounts'],
        ],
        ...[
          ['GET', 'auth/token/lookup-self'],
          ['GET', 'none'],
          ['POST', 'sys/wrapping/wrap'],
        ],
      ] as const) {
        assert.deepEqual(await shared().wire.expect(403, method, path, undefined, { token }), DENIED);
      }
    }
  });

  it('list the two mounts and tell clients the version of the KV engine', async () => {
    const { data, ...rest } = await shared().wire.expect(200, 'GET', 'sys/mounts');
    assert.deepEqual(
      [data['secret/'].type, data['secret/'].options, data['transit/'].type],
      ['kv', { version: '2' }, 'transit'],
    );
    assert.deepEqual(rest['secret/'], data['secret/']);
    const ui = await shared().wire.expect(200, 'GET', 'sys/internal/ui/mounts/secret/any/path');
    assert.deepEqual([ui.data.path, ui.data.options], ['secret/', { version: '2' }]);
    assert.ok('secret/' in (await shared().wire.expect(200, 'GET', 'sys/internal/ui/mounts')).data.secret);
    await shared().wire.expect(403, 'GET', 'sys/internal/ui/mounts/other/a');
  });

  it('refuse to mount, tune and unmount, instead of answering as if they had', async () => {
    await shared().wire.expect(405, 'POST', 'sys/mounts/other', { type: 'kv' });
    await shared().wire.expect(405, 'DELETE', 'sys/mounts/secret');
    await shared().wire.expect(404, 'GET', 'sys/mounts/secret/tune');
    for (const path of ['sys/policies/acl/a', 'sys/auth', 'auth/userpass/login/a', 'cubbyhole/a', 'sys/none', '']) {
      assert.deepEqual(await shared().wire.expect(404, 'GET', path), NOT_THERE, path);
    }
  });

  it('tell a token about itself, and revoke it for every plane', async () => {
    const token = await shared().token({ scopes: ['read'], environment: 'market/test' });
    const { data } = await shared().wire.expect(200, 'GET', 'auth/token/lookup-self', undefined, { token });
    assert.deepEqual(
      [data.display_name, data.policies, data.id, data.ttl, data.renewable],
      ['vault', ['read'], token, 0, false],
    );
    const { auth } = await shared().wire.expect(200, 'POST', 'auth/token/renew-self', {}, { token });
    assert.deepEqual([auth.client_token, auth.renewable], [token, false]);
    for (const method of ['GET', 'HEAD', 'DELETE', 'LIST']) {
      const answer = await shared().wire.call(method, 'auth/token/revoke-self', undefined, { token });
      assert.equal(answer.status, 405, 'reading revokes nothing');
    }
    await shared().wire.expect(204, 'POST', 'auth/token/revoke-self', {}, { token });
    await shared().wire.expect(403, 'GET', 'auth/token/lookup-self', undefined, { token });
    assert.equal((await shared().installation.call('GET', '/v1/projects', undefined, { token })).status, 401);
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const ending = await shared().token({ scopes: ['read'], expiresAt });
    const { ttl } = (await shared().wire.expect(200, 'GET', 'auth/token/lookup-self', undefined, { token: ending }))
      .data;
    assert.ok(ttl > 50 && ttl <= 60, String(ttl));
  });

  it('take the token as X-Vault-Token and as a bearer token', async () => {
    const authorization = `Bearer ${shared().installation.bootstrapToken}`;
    const options = { token: undefined, headers: { authorization } };
    await shared().wire.expect(200, 'GET', 'sys/mounts', undefined, options);
  });

  it('take a body of any Content-Type, and refuse one that is no JSON object', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'nonsense', 'a/b; =', '']) {
      const headers = { 'content-type': type };
      await shared().wire.expect(200, 'POST', 'secret/data/type', { data: { type } }, { headers });
      const { data } = await shared().wire.expect(200, 'GET', 'secret/data/type');
      assert.deepEqual(data.data, { type });
    }
    for (const body of ['text', [1], 7]) {
      const { errors } = await shared().wire.expect(400, 'POST', 'secret/data/type', body);
      assert.match(errors[0], /^error parsing JSON/);
    }
  });

  it('answer as application/json and nothing after it, from which alone hvac reads errors', async () => {
    for (const path of ['secret/data/none', 'sys/mounts', 'sys/health']) {
      const { headers } = await shared().wire.call('GET', path);
      assert.equal(headers.get('content-type'), 'application/json');
    }
  });

  it('are answered on the main port too, below /compat/vault', async () => {
    const { installation } = shared();
    const main = vaultWire(`${installation.controlUrl}/compat/vault`, installation.bootstrapToken);
    await main.expect(200, 'POST', 'secret/data/main/a', { data: { n: 1 } });
    const { data } = await shared().wire.expect(200, 'GET', 'secret/data/main/a');
    assert.deepEqual(data.data, { n: 1 });
    assert.deepEqual((await main.expect(200, 'GET', 'secret/metadata/main?list=true')).data.keys, ['a']);
    assert.equal((await main.expect(200, 'GET', 'sys/health', undefined, { token: undefined })).sealed, false);
    const { body } = await installation.call('GET', '/v1/sys/health');
    assert.equal(body.code, 'NOT_FOUND', 'the main port has its own /v1');
  });
});

onEachDatabase('LIST on the main port', (createPlace) => {
  const shared = shareVault(createPlace);
  /** Sends requests over one connection of its own, the last of which closes it. */
  const exchange = async (...lines: readonly string[]): Promise<string> => {
    const { controlUrl, bootstrapToken } = shared().installation;
    const socket = connect(Number(new URL(controlUrl).port), '127.0.0.1');
    const head = (line: string, i: number) =>
      `${line} HTTP/1.1\r\nHost: a\r\nX-Vault-Token: ${bootstrapToken}\r\n` +
      `Authorization: Bearer ${bootstrapToken}\r\n${i === lines.length - 1 ? 'Connection: close\r\n' : ''}\r\n`;
    socket.write(lines.map(head).join(''));
    return Buffer.concat(await socket.toArray()).toString('utf8');
  };
  const statusesOf = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  const LIST = 'LIST /compat/vault/v1/secret/metadata/main';
  const GET = 'GET /compat/vault/v1/secret/data/main/a';

  it('is taken below /compat/vault, kept alive and pipelined, and of nothing else', async () => {
    await shared().wire.expect(200, 'POST', 'secret/data/main/a', { data: { n: 1 } });
    const listed = await exchange(LIST);
    assert.deepEqual(statusesOf(listed), [200]);
    assert.match(listed, /"keys":\["a"\]/);
    assert.deepEqual(statusesOf(await exchange(GET, LIST, 'GET /v1/projects', LIST, GET)), Array(5).fill(200));
    for (const path of ['/v1/secrets', '/compat/vaults/v1/secret/metadata/main', '/', '*']) {
      assert.deepEqual(statusesOf(await exchange(`LIST ${path}`)), [400], `LIST is no method of ${path}`);
      assert.equal(statusesOf(await exchange(GET, `LIST ${path}`)).at(-1), 400, path);
    }
    assert.equal(statusesOf(await exchange('GET /v1/projects', LIST)).at(-1), 400, 'the first request decides');
  });
});

onEachDatabase('the namespace of a request', (createPlace) => {
  const shared = shareVault(createPlace);
  const write = (n: string, namespace?: string, token?: string) =>
    shared().wire.call(
      'POST',
      'secret/data/ns',
      { data: { n } },
      { ...(namespace === undefined ? {} : { namespace }), ...(token === undefined ? {} : { token }) },
    );
  const read = async (settings: Parameters<SharedVault['wire']['call']>[3] = {}) => {
    const { status, body } = await shared().wire.call('GET', 'secret/data/ns', undefined, settings);
    return status === 200 ? body.data.data.n : [status, body];
  };

  it('chooses the environment; without one it is the token’s own, else default/production', async () => {
    await shared().expect(201, 'POST', '/v1/projects/market/environments', { name: 'live', prefix: 'mkt_live' });
    for (const place of ['default/production', 'market/test', 'market/live']) {
      assert.equal((await write(place, place)).status, 200);
    }
    for (const namespace of ['market/test', '/market/test/', 'market/test/'])
      assert.equal(await read({ namespace }), 'market/test');
    assert.equal(await read({ namespace: 'market/live' }), 'market/live');
    assert.equal(await read(), 'default/production');
    const token = await shared().token({ scopes: ['admin'], environment: 'market/live' });
    assert.equal(await read({ token }), 'market/live');
  });

  it('that a token may not see, or that is none, answers as not there', async () => {
    const token = await shared().token({ scopes: ['admin'], environment: 'market/live' });
    for (const namespace of [
      ...['market/test', 'default/production', 'market/none', 'none/test', 'market', 'market/live/x', '%2e', '..'],
    ]) {
      assert.deepEqual(await read({ token, namespace }), [404, NOT_THERE], namespace);
      assert.equal((await write('x', namespace, token)).status, 404);
    }
    assert.equal(await read({ namespace: 'market/test' }), 'market/test', 'nothing was written there');
  });

  it('refuses a scope that does not open the action', async () => {
    const token = await shared().token({ scopes: ['read'] });
    assert.deepEqual(await read({ token }), [403, DENIED]);
    assert.equal((await write('x', undefined, token)).status, 403);
    await shared().wire.expect(200, 'GET', 'secret/metadata/ns', undefined, { token });
    await shared().wire.expect(403, 'POST', 'transit/encrypt/a', { plaintext: '' }, { token });
  });
});

onEachDatabase('a sealed installation', (createPlace) => {
  const stack = new AsyncDisposableStack();
  let place: TestPlace;
  let installation: TestInstallation;
  before(async () => {
    place = stack.use(await createPlace());
    installation = stack.use(await startInstallation(place));
  });
  after(() => stack.disposeAsync());

  it('answers that it is sealed wherever key material is needed, and health and seal status as ever', async () => {
    const wire = vaultWire(installation.vaultUrl, installation.bootstrapToken);
    await wire.expect(200, 'POST', 'secret/data/a', { data: { n: 1 } });
    const { ciphertext } = (await wire.expect(200, 'POST', 'transit/encrypt/a', { plaintext: 'aGk=' })).data;
    const { token } = (await wire.expect(200, 'POST', 'sys/wrapping/wrap', { n: 1 }, { wrapTtl: '60s' })).wrap_info;
    assertStatus(await installation.call('POST', '/v1/seal'), 200);
    const sealed = { errors: ['Vault is sealed'] };
    for (const [method, path, body] of [
      ...[
        ['GET', 'secret/data/a'],
        ['POST', 'secret/data/a', { data: {} }],
        ['PATCH', 'secret/data/a', { data: {} }],
      ],
      ...[
        ['POST', 'transit/encrypt/a', { plaintext: '' }],
        ['POST', 'transit/decrypt/a', { ciphertext }],
        ['POST', 'transit/encrypt/a', { batch_input: [{ plaintext: '' }, { plaintext: '' }] }],
        ['POST', 'transit/decrypt/a', { batch_input: [{ ciphertext }] }],
        ['POST', 'transit/rewrap/a', { batch_input: [{ ciphertext }] }],
        ['POST', 'transit/hmac/a', { batch_input: [{ input: '' }] }],
      ],
      ...[
        ['POST', 'transit/keys/b'],
        ['POST', 'transit/keys/a/rotate'],
        ['POST', 'transit/datakey/wrapped/a'],
      ],
      ...[
        ['POST', 'transit/hmac/a', { input: '' }],
        ['POST', 'sys/wrapping/unwrap', { token }],
      ],
      ['POST', 'sys/wrapping/rewrap', { token }],
      ['POST', 'sys/wrapping/lookup', { token }],
    ] as [string, string, object?][]) {
      const answer = await wire.call(method, path, body);
      assert.deepEqual([answer.status, answer.body], [503, sealed], `${method} ${path}`);
      assert.ok(Number(answer.headers.get('retry-after')) > 0);
    }
    const wrapped = await wire.call('POST', 'secret/data/b', { data: {} }, { wrapTtl: '60s' });
    assert.deepEqual([wrapped.status, wrapped.body], [503, sealed]);
    const health = await wire.call('GET', 'sys/health', undefined, { token: undefined });
    assert.deepEqual([health.status, health.body.sealed, health.body.initialized], [503, true, true]);
    for (const [query, status] of [
      ['sealedcode=204', 204],
      ['sealedcode=429&activecode=204', 429],
      ['activecode=204', 503],
    ] as const) {
      for (const method of ['GET', 'HEAD']) {
        assert.equal((await wire.call(method, `sys/health?${query}`, undefined, { token: undefined })).status, status);
      }
    }
    assert.equal((await wire.expect(200, 'GET', 'sys/seal-status', undefined, { token: undefined })).sealed, true);
    assertStatus(await installation.call('POST', '/v1/unseal', {}), 200);
    assert.deepEqual((await wire.expect(200, 'GET', 'secret/data/a')).data.data, { n: 1 });
    await wire.expect(404, 'GET', 'secret/data/b');
    assert.deepEqual(
      (await wire.expect(200, 'POST', 'sys/wrapping/unwrap', { token })).data,
      { n: 1 },
      'it was not lost',
    );
  });
});
