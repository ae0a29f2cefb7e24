import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { GatewayRig, type GatewayProgram } from '../testing/gateway-rig.ts';
import { haveEnvoy, haveProgram } from '../testing/missing-part.ts';

interface Example extends GatewayProgram {
  /** What the API behind is handed of a signed body: its digest to be checked, or a body that was verified here. */
  readonly bodies: 'digest' | 'verified';
  /** Its program; null where it is missing. */
  readonly find: (t: TestContext) => string | null;
}

const EXAMPLES: Readonly<Record<string, Omit<Example, 'program'>>> = {
  nginx: {
    find: (t) => (haveProgram(t, 'nginx') ? 'nginx' : null),
    configuration: 'nginx/nginx.conf',
    listens: 8080,
    tokenLine: (token) => `proxy_set_header X-Keyhold-Token ${token};`,
    args: (folder) => ['-p', folder, '-c', 'nginx.conf', '-g', 'daemon off;', '-e', 'stderr'],
    bodies: 'digest',
  },
  Caddy: {
    find: (t) => (haveProgram(t, 'caddy') ? 'caddy' : null),
    configuration: 'caddy/Caddyfile',
    listens: 8081,
    tokenLine: (token) => `header_up X-Keyhold-Token ${token}`,
    args: (folder) => ['run', '--config', `${folder}/Caddyfile`, '--adapter', 'caddyfile'],
    bodies: 'digest',
  },
  Envoy: {
    find: haveEnvoy,
    configuration: 'envoy/envoy.yaml',
    listens: 8082,
    tokenLine: null,
    args: (folder) => ['-c', `${folder}/envoy.yaml`, '--concurrency', '1', '--disable-hot-restart', '-l', 'off'],
    bodies: 'verified',
  },
};

for (const [name, { find, bodies, ...example }] of Object.entries(EXAMPLES)) {
  describe(`an API behind the real ${name}, with the configuration of examples/${example.configuration}`, () => {
    let rig: GatewayRig | null = null;
    before(async (t) => {
      const program = find(t as never);
      if (program !== null) rig = await GatewayRig.start({ ...example, program });
    });
    after(() => rig?.[Symbol.asyncDispose]());
    /** A test of the running gateway; where it is missing, named as not run. */
    const test = (does: string, run: (rig: GatewayRig) => Promise<void>) =>
      it(does, async (t) => (rig === null ? t.diagnostic(`not tested: ${name} is missing`) : await run(rig)));

    test('serves who has the permission, and says behind who it is', async (rig) => {
      const { keyId, secret, credentialId } = await rig.market.issue();
      const answer = await rig.get(secret);
      assert.deepEqual([answer.status, await answer.text()], [200, 'from the API']);
      const named = ['key', 'consumer', 'credential'].map((what) => rig.got.headers[`x-keyhold-${what}`]);
      assert.deepEqual(named, [keyId, rig.market.consumer, credentialId]);
    });

    test('refuses strangers, what is not permitted, and what no rule names', async (rig) => {
      const { secret } = await rig.market.issue();
      assert.equal((await rig.get(null)).status, 401);
      assert.equal((await rig.get('mkt_test_wrong')).status, 401);
      assert.equal((await rig.get(secret, '/v1/candles/BTC-USD')).status, 403);
      assert.equal((await rig.get(secret, '/v1/other')).status, 403);
      assert.notEqual((await rig.get(secret, '/keyhold')).status, 200, 'nobody asks through the front door');
      assert.notEqual((await rig.get(secret, '/v1/prices/../candles/BTC-USD')).status, 200);
    });

    test('decides about the path that the API behind is handed, however it is written', async (rig) => {
      const { secret } = await rig.market.issue();
      const odd = [
        '/v1/candles/BTC-USD/../../prices/x',
        '/v1/candles/BTC-USD/..%2f..%2fprices/x',
        '/v1/candles/..%2Fprices/x',
        '/v1/candles/%2e%2e/prices/x',
        '/v1/candles/%2e%2E%5c..%5cprices/x',
        '/v1/accounts//../prices/x',
        '/v1%2Fprices/x',
        '/v1/./prices/x',
        '//v1/prices/x',
        '/v1/prices/../candles/x?/v1/prices/',
        '/v1/prices/%2e%2e/candles/x',
        '/v1/other?/v1/prices/x',
        '/v1/prices/..;/candles/x',
        '/v1/prices/..;a=b/candles/x',
        '/v1/prices/x{/../../../v1/candles/BTC-USD?}',
        '/v1/candles/%7B/../../prices/x',
      ];
      for (const target of odd) {
        const status = await rig.getRaw(secret, target);
        // Or the API is handed what was decided about.
        if (status === 200) assert.match(rig.got.target, /^\/v1\/prices\/x$/, target);
        else assert.ok(status === 400 || status === 403, `${target}: ${status}`);
      }
      for (const plain of ['/v1/prices/A%2FB', '/v1/prices/a.b?from=../x', '/v1/prices/x?a=//b'])
        assert.equal(await rig.getRaw(secret, plain), 200, plain);
      // Of these some versions of Caddy would leave something out where they look at the target.
      if (name === 'Caddy') assert.equal(await rig.getRaw(secret, '/v1/prices/x{env.HOME}'), 403);
      assert.equal(await rig.getRaw(secret, '/v1/prices/x?a={b}'), 200);
    });

    test('lets no client say what the gateway says', async (rig) => {
      const { keyId, credentialId, secret } = await rig.market.issue();
      const theirs = {
        'x-keyhold-permission': 'prices:read',
        'x-original-uri': '/v1/prices/BTC-USD',
        'x-original-method': 'GET',
        'x-forwarded-uri': '/v1/prices/BTC-USD',
        'x-forwarded-method': 'GET',
        'x-keyhold-environment': 'market/test',
        'x-real-ip': '203.0.113.1',
        'x-forwarded-for': '203.0.113.1',
        'x-envoy-external-address': '203.0.113.1',
        'x-keyhold-token': 'keyhold_x',
      };
      assert.equal((await rig.get(secret, '/v1/candles/BTC-USD', theirs)).status, 403);
      const posed = { key: 'key_of_another', credential: 'cred_of_another', 'content-digest': 'sha-256=:AA==:' };
      const lines = Object.entries(posed).map(([what, value]) => [`x-keyhold-${what}`, value]);
      assert.equal((await rig.get(secret, undefined, Object.fromEntries(lines))).status, 200);
      const named = Object.keys(posed).map((what) => rig.got.headers[`x-keyhold-${what}`] ?? '');
      assert.deepEqual(named, [keyId, credentialId, '']);
      const bound = await rig.market.issue({ allowedNetworks: ['203.0.113.0/24'] });
      assert.equal((await rig.get(bound.secret, undefined, theirs)).status, 403, 'its address');
      const local = await rig.market.issue({ allowedNetworks: ['127.0.0.0/8'] });
      // Of a client on its own machine Envoy says another address of that machine.
      if (name !== 'Envoy') assert.equal((await rig.get(local.secret)).status, 200);
    });

    test('lets no client take away what the API behind is told, by naming it as a field of its connection', async (rig) => {
      const { keyId, secret } = await rig.market.issue();
      const who = ['Key', 'Consumer', 'Credential', 'Content-Digest'].map((what) => `X-Keyhold-${what}`);
      const headers = { authorization: `Bearer ${secret}` };
      for (const connection of [who.join(', '), ['keep-alive', who.join(',').toLowerCase()], ['close', ...who]]) {
        const { status, got } = await rig.askRaw({ headers: { ...headers, connection } });
        if (status === 200) assert.equal(got.headers['x-keyhold-key'], keyId, String(connection));
        else assert.equal(status, 400, String(connection));
      }
      const sign = await rig.signer();
      const { method, headers: signed } = await sign('rfc9421', 'POST', '/v1/orders', '{"a":1}');
      const changed = { method, target: '/v1/orders', body: '{"a":9}' };
      const { status, got } = await rig.askRaw({
        ...changed,
        headers: { ...Object.fromEntries(signed), 'content-length': '7', connection: 'X-Keyhold-Content-Digest' },
      });
      if (status === 200) assert.match(String(got.headers['x-keyhold-content-digest']), /^sha-/, 'another body');
      else assert.ok(status === 400 || status === 401, `another body: ${status}`);
    });

    test('hands the API no field that it may take for one of ours, by another sign between the words', async (rig) => {
      const { secret } = await rig.market.issue();
      const names = [
        'X_Keyhold_Key',
        'x-keyhold_consumer',
        'X_KEYHOLD-Content_Digest',
        'X.Keyhold.Key',
        'X-Keyhold.Key',
      ];
      const posed = Object.fromEntries(names.map((field) => [field, 'of another']));
      const { status, got } = await rig.askRaw({ headers: { authorization: `Bearer ${secret}`, ...posed } });
      assert.equal(status, 200);
      const came = Object.entries(got.headers).filter(([, value]) => value === 'of another');
      assert.deepEqual(came, []);
    });

    test('decides about a WebSocket like about everything else', async (rig) => {
      const { secret } = await rig.market.issue();
      const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
      const headers = { ...upgrade, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
      const asked = async (more: object) => (await rig.askRaw({ headers: { ...headers, ...more } })).status;
      assert.equal(await asked({ authorization: `Bearer ${secret}` }), 200);
      assert.equal(await asked({}), 401);
      // Envoy hands over no body of such a request.
      const sign = await rig.signer();
      for (const dialect of ['okx', 'rfc9421'] as const) {
        const { method, headers: signed } = await sign(dialect, 'POST', '/v1/orders');
        const more = { ...headers, ...Object.fromEntries(signed), 'content-length': '7' };
        const { status } = await rig.askRaw({ method, target: '/v1/orders', headers: more, body: '{"a":9}' });
        assert.ok(status === 401 || status === 403, `a body added on the way: ${status}`);
      }
    });

    test('answers 429 with Retry-After where a limit is used up', async (rig) => {
      const { secret } = await rig.market.issue({ rateLimits: [{ name: 'hour', limit: 1, windowSeconds: 3600 }] });
      assert.equal((await rig.get(secret)).status, 200);
      const limited = await rig.get(secret);
      assert.equal(limited.status, 429);
      assert.ok(Number(limited.headers.get('retry-after')) > 0);
    });

    test('verifies a signed request once, and its body here or by a digest for the API behind', async (rig) => {
      const sign = await rig.signer();
      const once = await sign('rfc9421', 'GET', '/v1/prices/BTC-USD');
      assert.deepEqual([(await rig.send(once)).status, (await rig.send(once)).status], [200, 401]);
      assert.equal((await rig.send(await sign('rfc9421', 'POST', '/v1/orders', '{"a":1}'))).status, 200);
      assert.equal(rig.got.body, '{"a":1}');
      const digest = String(rig.got.headers['x-keyhold-content-digest'] ?? '');
      if (bodies === 'digest') assert.match(digest, /^sha-(?:256|512)=:/);
      else assert.equal(digest, '');
      const order = await sign('okx', 'POST', '/v1/orders', '{"a":1}');
      const whole = bodies === 'verified' ? 200 : 401;
      assert.equal((await rig.send(order)).status, whole, 'a dialect that signs the body itself');
      const changed = [await sign('okx', 'POST', '/v1/orders', '{"a":1}'), await sign('okx', 'POST', '/v1/orders')];
      for (const one of changed) assert.equal((await rig.send(one, '{"a":9}')).status, 401, 'another body');
      const bare = await sign('rfc9421', 'POST', '/v1/orders');
      assert.equal((await rig.send(bare, '{"a":9}')).status, 401, 'a body added on the way');
    });

    test('verifies a signature that covers the length of the body, where the gateway says which it was', async (rig) => {
      const sign = await rig.signer();
      const components = ['@method', '@authority', '@target-uri', 'content-digest', 'content-length'];
      const length = { 'content-length': '7' };
      const signed = await sign({ dialect: 'rfc9421', components }, 'POST', '/v1/orders', '{"a":1}', length);
      assert.equal((await rig.send(signed)).status, name === 'Caddy' ? 401 : 200);
    });

    test('answers 503 where no verifier answers', async (rig) => {
      const { secret } = await rig.market.issue();
      await rig.endVerifier();
      assert.equal((await rig.get(secret)).status, 503);
    });
  });
}
