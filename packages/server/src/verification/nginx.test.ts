import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { signRequest } from '@keyhold/sdk/signing/sign-request';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket, type TestMarket } from '../testing/market.ts';
import { haveProgram } from '../testing/missing-part.ts';

const CONFIGURATION = new URL('../../../../examples/nginx/nginx.conf', import.meta.url);

describe('an API behind the real nginx, with the configuration of examples/nginx', () => {
  const stack = new AsyncDisposableStack();
  let installation: TestInstallation;
  let market: TestMarket;
  let url = '';
  let verifierPort = 0;
  let missing = true;
  /** What the API behind got. */
  let got: IncomingHttpHeaders = {};

  before(async (t) => {
    missing = !haveProgram(t as never, 'nginx');
    if (missing) return;
    installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
    market = await createMarket(installation);
    const signing = { dialects: [{ dialect: 'rfc9421' }], replay: 'verifier' };
    await installation.call('PUT', '/v1/projects/market/environments/test/signing', signing);
    const api = createServer((request, response) => {
      got = request.headers;
      response.end('from the API');
    }).listen(0, '127.0.0.1');
    await once(api, 'listening');
    stack.defer(() => void api.close());
    const token = await installation.call('POST', '/v1/tokens', { name: 'nginx', scopes: ['verify'] });
    verifierPort = Number(new URL(installation.verifierUrl).port);
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-nginx-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'keyhold-token.conf'), `proxy_set_header X-Keyhold-Token ${token.body.secret};\n`, {
      mode: 0o600,
    });
    const configuration = readFileSync(CONFIGURATION, 'utf8')
      .replace('127.0.0.1:7072', `127.0.0.1:${(api.address() as AddressInfo).port}`)
      .replace('127.0.0.1:7071', `127.0.0.1:${verifierPort}`)
      .replace('listen 127.0.0.1:8080', `listen 127.0.0.1:${port}`)
      .replace('market/demo', 'market/test');
    writeFileSync(join(folder, 'nginx.conf'), configuration);
    const args = ['-p', folder, '-c', 'nginx.conf', '-g', 'daemon off;', '-e', 'stderr'];
    const nginx: ChildProcess = spawn('nginx', args, { stdio: 'ignore' });
    stack.defer(async () => {
      if (nginx.exitCode !== null) return;
      nginx.kill('SIGTERM');
      await once(nginx, 'exit');
    });
    url = `http://127.0.0.1:${port}`;
    await eventually('nginx answers', async () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    );
  });
  after(() => stack.disposeAsync());

  const get = (key: string | null, path = '/v1/prices/BTC-USD', headers: Record<string, string> = {}) =>
    fetch(url + path, { headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers } });

  it('serves who has the permission, and says behind who it is', async (t) => {
    if (missing) return t.diagnostic('not tested: nginx is missing');
    const { keyId, secret } = await market.issue();
    const answer = await get(secret);
    assert.deepEqual([answer.status, await answer.text()], [200, 'from the API']);
    assert.deepEqual([got['x-keyhold-key'], got['x-keyhold-consumer']], [keyId, market.consumer]);
  });

  it('refuses strangers, what is not permitted, and what no rule names', async (t) => {
    if (missing) return t.diagnostic('not tested: nginx is missing');
    const { secret } = await market.issue();
    assert.equal((await get(null)).status, 401);
    assert.equal((await get('mkt_test_wrong')).status, 401);
    assert.equal((await get(secret, '/v1/candles/BTC-USD')).status, 403);
    assert.equal((await get(secret, '/v1/other')).status, 403);
    assert.equal((await get(secret, '/keyhold')).status, 404, 'nobody asks through the front door');
  });

  it('lets no client say what the gateway says', async (t) => {
    if (missing) return t.diagnostic('not tested: nginx is missing');
    const { keyId, secret } = await market.issue();
    const names = {
      'x-keyhold-permission': 'prices:read',
      'x-original-uri': '/v1/prices/BTC-USD',
      'x-original-method': 'GET',
    };
    const more = { 'x-keyhold-environment': 'market/test', 'x-real-ip': '192.0.2.1', 'x-keyhold-token': 'keyhold_x' };
    assert.equal((await get(secret, '/v1/candles/BTC-USD', { ...names, ...more })).status, 403);
    assert.equal((await get(secret, undefined, { 'x-keyhold-key': 'key_of_another' })).status, 200);
    assert.equal(got['x-keyhold-key'], keyId);
    const bound = await market.issue({ allowedNetworks: ['192.0.2.0/24'] });
    assert.equal((await get(bound.secret, undefined, more)).status, 403);
  });

  it('answers 429 with Retry-After where a limit is used up', async (t) => {
    if (missing) return t.diagnostic('not tested: nginx is missing');
    const { secret } = await market.issue({ rateLimits: [{ name: 'hour', limit: 1, windowSeconds: 3600 }] });
    assert.equal((await get(secret)).status, 200);
    const limited = await get(secret);
    assert.equal(limited.status, 429);
    assert.ok(Number(limited.headers.get('retry-after')) > 0);
  });

  it('verifies a signed request once, and leaves the digest of a body to the API behind', async (t) => {
    if (missing) return t.diagnostic('not tested: nginx is missing');
    const { consumer } = market;
    const place = {
      project: 'market',
      environment: 'test',
      consumer,
      name: 'key',
      permissions: ['prices:read', 'orders:write'],
    };
    const { body } = await installation.call('POST', '/v1/keys', { ...place, credential: { kind: 'hmac' } });
    const signer = {
      dialect: 'rfc9421',
      credential: body.credential.id,
      key: { kind: 'hmac', secret: body.secret },
    } as const;
    const send = async (method: string, path: string, content = '') => {
      // The scheme that nginx was spoken to in: it ends no TLS in this test.
      const signed = await signRequest(signer, { method, url: url + path, body: content });
      const init = { method, headers: signed.headers.map(([name, value]): [string, string] => [name, value]) };
      return () => fetch(url + path, content === '' ? init : { ...init, body: content });
    };
    await eventually(
      'the verifier guards alone',
      async () => (await (await send('GET', '/v1/prices/A%2FB?x=1&x=2'))()).status === 200,
    );
    const once = await send('GET', '/v1/prices/BTC-USD');
    assert.deepEqual([(await once()).status, (await once()).status], [200, 401]);
    assert.equal((await (await send('POST', '/v1/orders', '{"a":1}'))()).status, 200);
    assert.match(String(got['x-keyhold-content-digest']), /^sha-(?:256|512)=:/);
  });

  it('answers 503 where no verifier answers', async (t) => {
    if (missing) return t.diagnostic('not tested: nginx is missing');
    const { secret } = await market.issue();
    await installation[Symbol.asyncDispose]();
    await eventually('it is gone', async () => {
      const socket = connect(verifierPort, '127.0.0.1');
      const result = await Promise.race([
        once(socket, 'error').then(() => true),
        once(socket, 'connect').then(() => false),
      ]);
      socket.destroy();
      return result;
    });
    const answer = await get(secret);
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1']);
  });
});

async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
