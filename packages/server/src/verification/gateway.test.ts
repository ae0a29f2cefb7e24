import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { it } from 'node:test';
import type { Log } from '../http/log.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { untilReady } from '../testing/installation.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { startVerifierProcess } from './verifier-process.ts';

onEachDatabase('a gateway that asks before it hands a request on', (createPlace) => {
  const shared = shareMarket(createPlace, {}, { trustedProxies: ['198.51.100.0/24'] });
  const token = async (scopes: string[]) =>
    (await shared().expect(201, 'POST', '/v1/tokens', { name: 'gateway', scopes })).secret as string;
  const ask = (path: string, headers: Record<string, string>) =>
    fetch(new URL(path, shared().installation.verifierUrl), { headers });
  const askRaw = (lines: readonly string[]) => {
    const { port } = new URL(shared().installation.verifierUrl);
    return new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
      socket.on('data', (data) => {
        text += String(data);
        // Whole: a connection that was to be upgraded is not closed after it.
        if (text.includes('\r\n\r\n')) socket.end();
      });
      socket.on('end', () => resolve(text));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
  };
  const about = {
    'x-forwarded-method': 'GET',
    'x-forwarded-uri': '/v1/prices',
    'x-forwarded-for': '10.0.0.1, 192.0.2.7',
  };
  const AT = '/v1/auth/forward?environment=market/test&permission=prices:read';

  it('is told who it is, by the address that it added itself', async () => {
    const { keyId, credentialId, secret } = await shared().market.issue({ allowedNetworks: ['192.0.2.0/24'] });
    const own = { ...about, 'x-keyhold-token': await token(['verify']), authorization: `Bearer ${secret}` };
    const answer = await ask(AT, own);
    const named = ['key', 'consumer', 'credential'].map((name) => answer.headers.get(`x-keyhold-${name}`));
    assert.deepEqual([answer.status, named], [204, [keyId, shared().market.consumer, credentialId]]);
    assert.equal((await ask(AT, { ...own, 'x-forwarded-for': '192.0.2.7, 10.0.0.1' })).status, 403);
    const nginx = await ask('/v1/auth/nginx?environment=market/test&permission=orders:write', own);
    assert.equal(nginx.headers.get('x-keyhold-status'), '403');
    assert.equal((await ask(`${AT.replace('prices:read', 'orders:write')}`, own)).status, 403);
  });

  it('has an operator whose log says why a request was MALFORMED, without what looks like a key', async () => {
    const told: unknown[] = [];
    const nothing = () => {};
    const log = { info: nothing, debug: nothing, error: nothing, warn: (...line: unknown[]) => void told.push(line) };
    const { config, controlUrl, verifierTokenFile: tokenFile } = shared().installation;
    const changes = { ...config, verifierPort: 0, controlUrl, tokenFile };
    const signing = { dialects: [{ dialect: 'rfc9421' }], replay: 'verifier' };
    await shared().expect(200, 'PUT', '/v1/projects/market/environments/test/signing', signing);
    await using verifier = await startVerifierProcess(changes, log as unknown as Log);
    await untilReady(verifier.url);
    const label = `market_${'a'.repeat(49)}`;
    const signature = { 'signature-input': `${label}=7`, signature: `${label}=:AAAA:` };
    const headers = { ...about, ...signature, 'x-keyhold-token': await token(['verify']) };
    const answer = await fetch(new URL(AT, verifier.url), { headers });
    assert.deepEqual([answer.status, JSON.stringify(await answer.json()).includes('Inner List')], [401, false]);
    const reasons = { 'rfc9421: Signature-Input: [redacted] is not an Inner List': 1 };
    assert.deepEqual(told, [[{ reasons }, 'requests that gateways asked about were MALFORMED']]);
  });

  it('is told by which address the client comes, past the proxies before it that are trusted, and no other', async () => {
    const { secret } = await shared().market.issue({ allowedNetworks: ['203.0.113.0/24'] });
    const own = { ...about, 'x-keyhold-token': await token(['verify']), authorization: `Bearer ${secret}` };
    const placed = { ...own, 'x-keyhold-environment': 'market/test', 'x-keyhold-permission': 'prices:read' };
    for (const [said, isTheirs] of [
      ['203.0.113.7, 198.51.100.1', true],
      ['192.0.2.7,203.0.113.7 , 198.51.100.1, 198.51.100.2', true],
      ['203.0.113.7, 192.0.2.7, 198.51.100.1', false],
      ['203.0.113.7, unknown, 198.51.100.1', false],
      ['203.0.113.7, , 198.51.100.1', false],
      ['203.0.113.7, 192.0.2.7', false],
      ['198.51.100.1, 198.51.100.2', false],
    ] as const) {
      const field = { 'x-forwarded-for': said };
      assert.equal((await ask(AT, { ...own, ...field })).status, isTheirs ? 204 : 403, said);
      const envoy = await ask('/v1/auth/envoy/v1/prices', { ...placed, ...field });
      assert.equal(envoy.status, isTheirs ? 200 : 403, `Envoy: ${said}`);
    }
  });

  it('is answered whatever request an API would take: nothing of it is checked as if it came to the verifier', async () => {
    const { secret } = await shared().market.issue();
    const own = { 'X-Keyhold-Token': await token(['verify']), Authorization: `Bearer ${secret}` };
    const placed = { ...own, 'X-Keyhold-Environment': 'market/test', 'X-Keyhold-Permission': 'prices:read' };
    const fields = Object.entries(placed).map(([name, value]) => `${name}: ${value}`);
    const told = async (start: string, ...more: string[]) => {
      const lines = [`${start} HTTP/1.1`, 'Host: api', ...fields, 'X-Forwarded-For: 192.0.2.1', ...more];
      return Number((await askRaw(lines)).slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
    };
    const at = '/v1/auth/envoy/v1/prices';
    for (const odd of ['?constructor=1', '?a=%00', '?__proto__[a]=1', '/%ff', `/${'a'.repeat(600)}`, '/%', '?a=%zz'])
      assert.equal(await told(`GET ${at}${odd}`), 200, odd);
    for (const type of ['garbage', '*/*', 'text/plain; charset', ''])
      assert.equal(await told(`POST ${at}`, `Content-Type: ${type}`, 'Content-Length: 0'), 200, type);
    assert.equal(await told(`GET ${at}/x`.replace('/v1/auth', '/v1//auth')), 404);
  });

  it('needs a token of its own that may verify, and is told of its own mistakes', async () => {
    const { secret } = await shared().market.issue();
    const own = { ...about, authorization: `Bearer ${secret}` };
    assert.equal((await ask(AT, own)).status, 401);
    assert.equal((await ask(AT, { ...own, 'x-keyhold-token': secret })).status, 401);
    assert.equal((await ask(AT, { ...own, 'x-keyhold-token': await token(['keys']) })).status, 403);
    const good = { ...own, 'x-keyhold-token': await token(['verify']) };
    assert.equal((await ask(AT.replace('market/test', 'market/none'), good)).status, 404);
    assert.equal((await ask('/v1/auth/forward?environment=market/test&permission=and', good)).status, 400);
    assert.equal((await ask(AT, { ...good, authorization: 'Bearer mkt_test_wrong' })).status, 401);
  });

  it('has to say which permission a request takes, or that any key will do: silence lets nobody through', async () => {
    const { secret } = await shared().market.issue();
    const own = { ...about, 'x-keyhold-token': await token(['verify']), authorization: `Bearer ${secret}` };
    const place = { 'x-keyhold-environment': 'market/test' };
    for (const [gateway, accepted] of [
      ['nginx', 204],
      ['forward', 204],
      ['envoy/v1/prices', 200],
    ] as const) {
      const told = (permission: object) => ask(`/v1/auth/${gateway}`, { ...own, ...place, ...permission });
      const silent = await told({});
      assert.equal(silent.status, 400, gateway);
      assert.match(await silent.text(), /"field":"x-keyhold-permission"/);
      assert.equal((await told({ 'x-keyhold-permission': '' })).status, 400, gateway);
      assert.equal((await told({ 'x-keyhold-permission': 'prices:read' })).status, accepted, gateway);
      // Caddy and Traefik hand on what fields a client sends: such a one may be its own.
      const anyKey = gateway === 'forward' ? 400 : accepted;
      assert.equal((await told({ 'x-keyhold-permission': 'any-key' })).status, anyKey, gateway);
    }
    const half = '/v1/auth/forward?environment=market/test';
    assert.equal((await ask(half, own)).status, 400);
    assert.equal((await ask(`${half}&permission=`, own)).status, 400);
    assert.equal((await ask(`${half}&permission=any-key`, own)).status, 204);
    assert.equal((await ask(AT, { ...own, 'x-keyhold-permission': 'any-key' })).status, 400, 'a client says it');
  });

  it('reads what it says itself alone: no field of a client changes what is asked', async () => {
    const { secret } = await shared().market.issue({ allowedNetworks: ['192.0.2.0/24'] });
    const own = { ...about, 'x-keyhold-token': await token(['verify']), authorization: `Bearer ${secret}` };
    const theirs = {
      'x-keyhold-permission': 'prices:read',
      'x-keyhold-environment': 'market/test',
      'x-original-uri': '/v1/prices',
      'x-original-method': 'GET',
      'x-original-host': 'other',
      'x-real-ip': '192.0.2.7',
    };
    const nginx = { ...own, 'x-real-ip': '192.0.2.7' };
    const orders = AT.replace('prices:read', 'orders:write');
    assert.equal((await ask(orders, { ...own, ...theirs })).status, 400, 'its permission');
    assert.equal((await ask(AT.replace('market/test', 'market/none'), { ...own, ...theirs })).status, 400);
    const { 'x-keyhold-permission': _, 'x-keyhold-environment': __, ...others } = theirs;
    assert.equal((await ask(orders, { ...own, ...others })).status, 403);
    for (const gateway of ['forward', 'nginx']) {
      const [environment, permission] = ['environment=market/test', 'permission=prices:read'];
      const half = (said: string, field: object) => ask(`/v1/auth/${gateway}?${said}`, { ...nginx, ...field });
      for (const their of ['any-key', 'prices:read']) {
        const beside = await half(environment, { 'x-keyhold-permission': their });
        assert.equal(beside.status, 400, 'a permission that the address forgot');
        assert.match(await beside.text(), /"field":"x-keyhold-permission"/);
      }
      const beside = await half(permission, { 'x-keyhold-environment': 'market/test' });
      assert.equal(beside.status, 400, 'an environment that it forgot');
      assert.equal((await half(`${environment}&${permission}`, theirs)).status, 204, 'the same twice');
    }
    const elsewhere = { ...own, 'x-forwarded-for': '198.51.100.1' };
    assert.equal((await ask(AT, { ...elsewhere, ...theirs })).status, 403, 'its address');
  });

  it('says where funds go in its address alone: no client names an address of the book instead', async () => {
    await shared().expect(200, 'PUT', '/v1/projects/market/environments/test/rules', { withdrawals: ['funds:*'] });
    const { secret } = await shared().market.issue({
      permissions: ['funds:withdraw'],
      allowedNetworks: ['192.0.2.0/24'],
      addressBook: ['bc1qexample'],
    });
    const own = { ...about, 'x-keyhold-token': await token(['verify']), authorization: `Bearer ${secret}` };
    const withdraw = AT.replace('prices:read', 'funds:withdraw');
    const told = async (path: string, more: object = {}) => {
      const answer = await ask(path, { ...own, ...more });
      return [answer.status, answer.status === 403 ? ((await answer.json()) as { code: string }).code : null];
    };
    const elsewhere = [403, 'DESTINATION_NOT_ALLOWED'];
    assert.deepEqual(await told(`${withdraw}&destination=bc1qexample`), [204, null]);
    assert.deepEqual(await told(`${withdraw}&destination=bc1qother`), elsewhere);
    assert.deepEqual(await told(`${withdraw}&destination=bc1qexample&destination=bc1qexample`), elsewhere, 'twice');
    assert.deepEqual(await told(withdraw, { 'x-keyhold-destination': 'bc1qexample' }), elsewhere, "a client's field");
    const nginx = { 'x-original-uri': '/v1/withdraw?address=bc1qexample', 'x-real-ip': '192.0.2.7' };
    const asked = withdraw.replace('forward', 'nginx');
    assert.deepEqual(await told(`${asked}&destination=bc1qexample`, nginx), [204, null]);
    assert.deepEqual(await told(asked, nginx), elsewhere);
    const envoy = { ...nginx, 'x-keyhold-environment': 'market/test', 'x-keyhold-permission': 'funds:withdraw' };
    assert.deepEqual(await told('/v1/auth/envoy/v1/withdraw?destination=bc1qexample', envoy), elsewhere);
    await shared().expect(200, 'PUT', '/v1/projects/market/environments/test/rules', {});
  });

  it('is refused where something stands twice, so that no client speaks for it', async () => {
    const { secret } = await shared().market.issue();
    const lines = [
      `GET ${AT} HTTP/1.1`,
      'Host: verifier',
      `X-Keyhold-Token: ${await token(['verify'])}`,
      `Authorization: Bearer ${secret}`,
      'X-Forwarded-For: 192.0.2.1',
      'X-Forwarded-For: 192.0.2.2',
      'Connection: close',
    ];
    const answer = await askRaw(lines);
    assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*"field":"x-forwarded-for"/);
  });

  it('is answered where the client asks for a WebSocket: its fields are handed on with the question', async () => {
    const { secret } = await shared().market.issue();
    const fields = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AA==',
    ];
    const own = ['Host: verifier', `X-Keyhold-Token: ${await token(['verify'])}`, ...fields];
    const line = (path: string) => [`GET ${path} HTTP/1.1`, ...own, 'X-Forwarded-For: 192.0.2.1'];
    const bearer = `Authorization: Bearer ${secret}`;
    const placed = ['X-Keyhold-Environment: market/test', 'X-Keyhold-Permission: prices:read'];
    assert.match(await askRaw([...line(AT), bearer]), /^HTTP\/1\.1 204 /);
    assert.match(await askRaw(line(AT)), /^HTTP\/1\.1 401 /);
    assert.match(await askRaw([...line('/v1/auth/nginx'), ...placed, bearer]), /^HTTP\/1\.1 204 /);
    assert.match(await askRaw([...line('/v1/auth/envoy/v1/stream'), ...placed, bearer]), /^HTTP\/1\.1 200 /);
  });
});
