import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { possessionStatement } from '@keyhold/protocol/possession';
import { embedVerifier, openSharedStore } from '@keyhold/sdk/embedded';
import { createPlace } from '@keyhold/server/testing/databases';
import { eventually } from '@keyhold/server/testing/eventually';
import { startInstallation } from '@keyhold/server/testing/installation';
import { haveRedis, RealRedis } from '@keyhold/verifier/testing/real-redis';
import { CLIENTS, type Client, type ClientName, type Sent, withUrl } from './testing/ccxt-clients.ts';
import { createExchangeApi } from './server.ts';

const DIALECTS = ['binance', 'kraken', 'okx', 'bybit', 'coinbase-exchange'].map((dialect) => ({ dialect }));
/** TLS ends before the server, and the tokens name the host that the client spoke to. */
const CDP = { dialect: 'coinbase-cdp', host: 'exchange.example' };
const ADDRESS = 'bc1qsynthetic0address';
const TRADER = {
  permissions: ['balances:read', 'orders:*', 'funds:withdraw'],
  allowedNetworks: ['127.0.0.0/8', '::1/128'],
  addressBook: [ADDRESS],
};
/** ccxt has one class for whatever Coinbase Exchange refuses: it goes by the status alone. */
const ONLY_ONE_CLASS: ReadonlySet<ClientName> = new Set(['coinbaseexchange']);

interface Issued {
  readonly credential: string;
  readonly secret: string;
  readonly passphrase: string;
}

describe('the real classes of ccxt, only their URLs changed', () => {
  const stack = new AsyncDisposableStack();
  let world: Awaited<ReturnType<typeof start>> | null = null;
  before(async (t) => {
    if (haveRedis(t as never)) world = await start(stack);
  });
  after(() => stack.disposeAsync());

  for (const [name, client] of Object.entries(CLIENTS) as [ClientName, Client][]) {
    it(`${name}: places, lists, cancels and withdraws`, async (t) => {
      if (world === null) return t.diagnostic('not tested: redis-server is missing');
      const ccxt = world.connect(name, await world.issue(client.kind, TRADER));
      await client.balances(ccxt);
      const id = String(await client.place(ccxt));
      assert.ok((await client.list(ccxt)).map(String).includes(id));
      await client.cancel(ccxt, id);
      assert.deepEqual(await client.list(ccxt), []);
      assert.ok(await client.withdraw(ccxt, ADDRESS));
    });

    it(`${name}: is refused as the right exception, and knows no other reason`, async (t) => {
      if (world === null) return t.diagnostic('not tested: redis-server is missing');
      const { connect, issue } = world;
      const trader = await issue(client.kind, TRADER);
      const reader = await issue(client.kind, { permissions: ['balances:read', 'orders:read'] });
      const elsewhere = await issue(client.kind, { ...TRADER, allowedNetworks: ['192.0.2.0/24'] });
      const nobody = { ...trader, credential: trader.credential.replace(/.$/, (last) => (last === '0' ? '1' : '0')) };
      const wrong = { ...trader, secret: (await issue(client.kind, TRADER)).secret };
      const place = (of: Issued, tamper?: (sent: Sent) => Sent) => client.place(connect(name, of, { tamper }));
      const cases: [what: string, expected: string, call: () => Promise<unknown>][] = [
        ['wrong key', 'AuthenticationError', () => place(nobody)],
        ['wrong secret', 'AuthenticationError', () => place(wrong)],
        ['read-only key', 'PermissionDenied', () => place(reader)],
        ['unlisted network', 'PermissionDenied', () => client.withdraw(connect(name, elsewhere), ADDRESS)],
        ['unlisted address', 'PermissionDenied', () => client.withdraw(connect(name, trader), 'bc1qsomewhere0else')],
        ['replay', 'InvalidNonce', () => world?.replay(name, client, trader) as Promise<unknown>],
        ['stale clock', 'InvalidNonce', () => world?.stale(name, client, trader) as Promise<unknown>],
      ];
      if (client.sendsPassphrase) {
        const stranger = {
          ...trader,
          passphrase: trader.passphrase.replace(/.$/, (last) => (last === '_' ? '-' : '_')),
        };
        cases.push(['wrong passphrase', 'AuthenticationError', () => place(stranger)]);
      }
      if (client.signsBody) cases.push(['changed body', 'AuthenticationError', () => place(trader, changedBody)]);
      if (client.signsPath) cases.push(['changed path', 'AuthenticationError', () => place(trader, client.otherPath)]);
      for (const [what, expected, call] of cases) {
        const thrown = await call().then(
          () => 'none',
          (error: Error) => error.constructor.name,
        );
        assert.equal(thrown, ONLY_ONE_CLASS.has(name) ? 'AuthenticationError' : expected, `${name}, ${what}`);
      }
      await client.place(connect(name, trader));
    });

    if (client.signsBody && client.signsPath) continue;
    it(`${name}: what its dialect does not sign passes though it was changed, and nothing else`, async (t) => {
      if (world === null) return t.diagnostic('not tested: redis-server is missing');
      const { connect, issue } = world;
      const trader = await issue(client.kind, TRADER);
      // The guard lets it pass; what the other route misses in it is the exchange's own to say.
      if (!client.signsPath) {
        await assert.rejects(client.place(connect(name, trader, { tamper: client.otherPath })), /orderId.*is missing/);
      }
      if (!client.signsBody) assert.ok(await client.place(connect(name, trader, { tamper: changedBody })));
    });
  }
});

function changedBody(sent: Sent): Sent {
  const body = (sent.body ?? '').replace(/100(?=\D|$)/, '900');
  assert.notEqual(body, sent.body);
  return { ...sent, body };
}

async function start(stack: AsyncDisposableStack) {
  const redis = stack.use(await RealRedis.start());
  const installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
  const call = async (status: number, method: string, path: string, body?: object) => {
    const answer = await installation.call(method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  await call(201, 'POST', '/v1/projects', { slug: 'exchange', name: 'Synthetic exchange' });
  await call(201, 'POST', '/v1/projects/exchange/environments', { name: 'live', prefix: 'xch_live' });
  const at = '/v1/projects/exchange/environments/live';
  await call(200, 'PUT', `${at}/signing`, { dialects: [...DIALECTS, CDP], replay: 'shared' });
  await call(200, 'PUT', `${at}/rules`, { withdrawals: ['funds:withdraw'] });
  const feed = await call(201, 'POST', '/v1/tokens', { name: 'exchange', scopes: ['feed', 'feed:hmac'] });
  const store = openSharedStore({ url: redis.url });
  const verifier = embedVerifier({ controlUrl: installation.controlUrl, token: feed.secret }, {}, store);
  stack.defer(() => verifier.stop());
  await eventually('the verifier is ready', async () => verifier.ready && store.ready);
  const dialects = (await call(200, 'GET', `${at}/signing`)).dialects;
  const server = createExchangeApi({
    verify: (request) => verifier.verify(request),
    environment: 'exchange/live',
    dialects,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** Each in an account of its own. */
  const issue = async (kind: Client['kind'], settings: object): Promise<Issued> => {
    const consumer = await call(201, 'POST', '/v1/consumers', { project: 'exchange', name: 'bot' });
    const own = { project: 'exchange', environment: 'live', consumer: consumer.id, name: 'bot', ...settings };
    if (kind === 'hmac') {
      const { credential, secret, passphrase } = await call(201, 'POST', '/v1/keys', { ...own, credential: { kind } });
      return { credential: credential.id, secret, passphrase };
    }
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    const proved = { environment: 'exchange/live', holder: consumer.id, publicKey: spki, at: new Date().toISOString() };
    const signature = sign('sha256', possessionStatement(proved), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    const proof = { at: proved.at, signature: signature.toString('base64') };
    const { credential } = await call(201, 'POST', '/v1/keys', {
      ...own,
      credential: { kind, publicKey: spki, proof },
    });
    const secret = privateKey.export({ type: 'sec1', format: 'pem' }) as string;
    return { credential: credential.id, secret, passphrase: '' };
  };

  const connect = (name: ClientName, of: Issued, more: { tamper?: ((sent: Sent) => Sent) | undefined } = {}) =>
    withUrl(name, url, { apiKey: of.credential, secret: of.secret, password: of.passphrase }, more.tamper);

  /** Sends what was sent before once more, byte for byte. */
  const replay = async (name: ClientName, client: Client, of: Issued) => {
    let first: Sent | null = null;
    const keep = (sent: Sent) => (first = sent);
    await client.place(connect(name, of, { tamper: keep }));
    await client.place(connect(name, of, { tamper: () => first as unknown as Sent }));
  };

  /** An hour behind; where there is no time in a request, a nonce of then, after one of now. */
  const stale = async (name: ClientName, client: Client, of: Issued) => {
    await client.place(connect(name, of));
    const late = connect(name, of);
    const then = () => Date.now() - 3_600_000;
    Object.assign(late, { milliseconds: then, nonce: then, seconds: () => Math.floor(then() / 1000) });
    await client.place(late);
  };

  const first = await issue('hmac', TRADER);
  // What was signed before the store began to remember is not accepted.
  await eventually('the store remembers long enough', async () =>
    // Of those whose time is of whole seconds.
    CLIENTS.coinbaseexchange.place(connect('coinbaseexchange', first)).then(
      () => true,
      () => false,
    ),
  );
  return { issue, connect, replay, stale };
}
