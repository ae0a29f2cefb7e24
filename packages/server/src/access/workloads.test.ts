import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import { exchangeToken } from '@keyhold/sdk/exchange-token';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

const AUDIENCE = 'https://keyhold.example';
/** Of a client that is made for this test. */
const CLIENT = { client_id: 'deploy-bot', client_secret: 'a secret of this test alone, 32 long' };

onEachDatabase('a workload of another issuer', (createPlace) => {
  const shared = shareMarket(createPlace);
  const stack = new AsyncDisposableStack();
  let issuer = '';
  let signer: Awaited<ReturnType<typeof generateKeyPair>>;
  let keysAsked = 0;
  after(() => stack.disposeAsync());

  before(async () => {
    signer = await generateKeyPair('RS256', { extractable: true });
    const server = createServer((request, response) => {
      if (request.url === '/jwks') keysAsked++;
      void handle(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const provider = new Provider(issuer, {
      jwks: { keys: [{ ...(await exportJWK(signer.privateKey)), kid: 'one', use: 'sig', alg: 'RS256' }] },
      clients: [{ ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      features: {
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context: unknown, resource: string) => ({
            ...{ scope: 'deploy', audience: resource, accessTokenTTL: 300, accessTokenFormat: 'jwt' as const },
            jwt: { sign: { alg: 'RS256' as const } },
          }),
        },
      },
      cookies: { keys: ['of this test'] },
    });
    const handle = provider.callback();
  });

  /** A token as a real provider makes it. */
  const provided = async (resource = AUDIENCE): Promise<string> => {
    const form = new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'deploy' });
    const authorization = `Basic ${Buffer.from(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`).toString('base64')}`;
    const answer = await fetch(`${issuer}/token`, { method: 'POST', body: form, headers: { authorization } });
    const { access_token: token } = (await answer.json()) as { access_token?: string };
    assert.ok(token !== undefined, `the provider answered ${answer.status}`);
    return token;
  };
  /** A token of the same issuer that says something else. */
  const made = (claims: object, by = signer.privateKey, header: object = {}) =>
    new SignJWT({
      iss: issuer,
      aud: AUDIENCE,
      sub: CLIENT.client_id,
      exp: Math.floor(Date.now() / 1000) + 300,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
      .sign(by);
  const create = (settings: object = {}, status = 201) =>
    shared().expect(status, 'POST', '/v1/workloads', {
      ...{ name: 'deploys', issuer, audience: AUDIENCE, claims: { sub: CLIENT.client_id } },
      ...{ scopes: ['keys'], environment: 'market/test', ttlSeconds: 120 },
      ...settings,
    });
  const exchange = (jwt: string, workload?: string) =>
    exchangeToken({ url: shared().installation.controlUrl }, jwt, workload);
  const refused = (jwt: string, workload?: string) =>
    assert.rejects(exchange(jwt, workload), { name: 'ExchangeRefused', message: 'This opens nothing here.' });

  it('exchanges what its real provider gave it for a token that is as narrow as it was said, and ends soon', async () => {
    const { workload } = await create();
    const { installation, market } = shared();
    const answers: Response[] = [];
    const listening = async (...sent: Parameters<typeof fetch>) => {
      const answer = await fetch(...sent);
      answers.push(answer);
      return answer;
    };
    const { token, expiresInSeconds } = await exchangeToken(
      { url: installation.controlUrl, fetch: listening },
      await provided(),
    );
    assert.equal(expiresInSeconds, 120);
    const key = { project: 'market', environment: 'test', consumer: market.consumer, name: 'key', permissions: [] };
    assert.equal((await installation.call('POST', '/v1/keys', key, { token })).status, 201);
    assert.equal((await installation.call('GET', '/v1/audit/entries', undefined, { token })).status, 403);
    assert.equal((await installation.call('POST', '/v1/workloads', {}, { token })).status, 400);
    const { items } = await shared().expect(200, 'GET', '/v1/tokens');
    const own = items.find(({ name }: { name: string }) => name === `workload ${workload.id}`);
    assert.deepEqual([own.scopes, own.environment], [['keys'], 'market/test']);
    assert.ok(Date.parse(own.expiresAt) - Date.now() <= 120_000);
    const { items: entries } = await shared().expect(
      200,
      'GET',
      `/v1/audit/entries?action=token.exchanged&subject=${own.id}`,
    );
    assert.deepEqual([entries[0].actor, entries[0].side.sub], [workload.id, CLIENT.client_id]);
    const receipt = `</v1/audit/entries/${entries[0].sequence}/receipt>; rel="receipt"`;
    assert.equal(answers[0]?.headers.get('link'), receipt);
    await shared().expect(200, 'DELETE', `/v1/workloads/${workload.id}`);
  });

  it('exchanges nothing that another signed, for another, in another time, or that does not say who it is', async () => {
    const { workload } = await create({ claims: { sub: CLIENT.client_id, ref: 'refs/heads/*' } });
    const good = { ref: 'refs/heads/main' };
    assert.ok((await exchange(await made(good))).token);
    const now = Math.floor(Date.now() / 1000);
    const stranger = await generateKeyPair('RS256');
    const hs = new TextEncoder().encode('x'.repeat(32));
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await made(good)).split('.')[1]}.`;
    for (const jwt of [
      await made(good, stranger.privateKey),
      await made({ ...good, aud: 'https://other.example' }),
      await made({ ...good, iss: 'https://other.example' }),
      await made({ ...good, sub: 'other' }),
      await made({}),
      await made({ ref: 'refs/heads/a:b' }),
      await made({ ...good, exp: now - 60 }),
      await made({ ...good, exp: undefined }),
      await made({ ...good, nbf: now + 600 }),
      await new SignJWT({ iss: issuer, aud: AUDIENCE, sub: CLIENT.client_id, ...good, exp: now + 60 })
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(hs),
      unsigned,
      'not.a.jwt',
      'x',
    ]) {
      await refused(jwt);
    }
    await refused(await made(good), 'wkl_01890a5d-ac96-774b-bcce-b302099a8057');
    assert.ok(keysAsked < 5, `the issuer was asked ${keysAsked} times`);
    await shared().expect(200, 'DELETE', `/v1/workloads/${workload.id}`);
  });

  it('says which workloads a token is of where it is of several, to who holds it', async () => {
    const [one, two] = [(await create()).workload, (await create({ scopes: ['read'] })).workload];
    await assert.rejects(exchange(await made({})), {
      message: new RegExp(`${two.id}.*${one.id}|${one.id}.*${two.id}`),
    });
    assert.ok((await exchange(await made({}), two.id)).token);
    for (const { id } of [one, two]) await shared().expect(200, 'DELETE', `/v1/workloads/${id}`);
  });

  it('has no token left when its removal has returned, and gets none', async () => {
    const { workload } = await create();
    const { token } = await exchange(await made({}));
    const { installation } = shared();
    assert.equal(
      (await installation.call('GET', '/v1/keys?project=market&environment=test', undefined, { token })).status,
      200,
    );
    const removed = await shared().expect(200, 'DELETE', `/v1/workloads/${workload.id}`);
    assert.deepEqual([removed.workload.state, removed.tokensRevoked, removed.barrier.unconfirmed], ['removed', 1, 0]);
    assert.equal(
      (await installation.call('GET', '/v1/keys?project=market&environment=test', undefined, { token })).status,
      401,
    );
    await refused(await made({}));
    assert.equal((await shared().expect(200, 'DELETE', `/v1/workloads/${workload.id}`)).tokensRevoked, 0);
    await shared().expect(404, 'DELETE', '/v1/workloads/wkl_01890a5d-ac96-774b-bcce-b302099a8057');
  });

  it('is trusted with what its maker has, by https, and for more than anybody; a changed row is not believed', async () => {
    const { installation } = shared();
    assert.equal((await create({ claims: { sub: '*' } }, 400)).field, '/claims/sub');
    assert.equal((await create({ issuer: 'http://ci.example' }, 400)).field, '/issuer');
    assert.equal((await create({ jwksUri: 'http://ci.example/keys' }, 400)).field, '/jwksUri');
    const ending = await shared().expect(201, 'POST', '/v1/tokens', {
      ...{ name: 'admin for an hour', scopes: ['admin'], expiresAt: new Date(Date.now() + 3_600_000).toISOString() },
    });
    const body = { name: 'x', issuer, audience: AUDIENCE, claims: { sub: 'a' }, scopes: ['admin'] };
    assert.equal((await installation.call('POST', '/v1/workloads', body, { token: ending.secret })).status, 403);
    const { workload } = await create();
    await using raw = await openRaw(shared().place);
    await raw.run(`update workloads set scopes = '["admin"]' where id = '${workload.id}'`);
    await refused(await made({}));
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    assert.ok(alarms.some(({ subject }: { subject: string }) => subject === workload.id));
    await shared().expect(200, 'DELETE', `/v1/workloads/${workload.id}`);
  });
});
