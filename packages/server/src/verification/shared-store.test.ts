import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { embedVerifier, openSharedStore } from '@keyhold/sdk/embedded';
import { signRequest } from '@keyhold/sdk/signing/sign-request';
import { haveRedis, RealRedis } from '@keyhold/verifier/testing/real-redis';
import type { Verifier } from '@keyhold/verifier/verifier';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket, type TestMarket } from '../testing/market.ts';

const SIGNING = '/v1/projects/market/environments/test/signing';
const RFC9421 = { dialect: 'rfc9421' } as const;

describe('verifiers that share a store', () => {
  const stack = new AsyncDisposableStack();
  let redis: RealRedis;
  let installation: TestInstallation;
  let market: TestMarket;
  let verifiers: readonly Verifier[] = [];
  let missing = true;

  before(async (t) => {
    missing = !haveRedis(t as never);
    if (missing) return;
    redis = stack.use(await RealRedis.start());
    installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
    market = await createMarket(installation, { leaseSeconds: 60 });
    await setSigning({});
    const scopes = ['feed', 'feed:hmac'];
    const { body } = await installation.call('POST', '/v1/tokens', { name: 'verifiers', scopes });
    verifiers = [1, 2].map(() => {
      const store = openSharedStore({ url: redis.url });
      return embedVerifier({ controlUrl: installation.controlUrl, token: body.secret }, {}, store);
    });
    stack.defer(async () => {
      await Promise.all(verifiers.map((verifier) => verifier.stop()));
    });
    const signer = await issue({});
    await eventually('all verify', async () =>
      (await Promise.all([verify(0, signer), verify(1, signer)])).every(({ valid }) => valid),
    );
  });
  after(() => stack.disposeAsync());

  const setSigning = (more: object) =>
    installation.call('PUT', SIGNING, { dialects: [RFC9421], replay: 'shared', ...more });

  const issue = async (settings: object) => {
    const { consumer } = market;
    const place = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['orders:*'] };
    const { body } = await installation.call('POST', '/v1/keys', {
      ...place,
      credential: { kind: 'hmac' },
      ...settings,
    });
    return { credential: body.credential.id as string, key: { kind: 'hmac', secret: body.secret as string } } as const;
  };

  const sign = async (signer: Awaited<ReturnType<typeof issue>>, method = 'POST') => {
    const signed = await signRequest({ dialect: RFC9421, ...signer }, { method, url: 'https://api.example/v1/orders' });
    const headers = [['Host', 'api.example'] as const, ...signed.headers];
    return { method, target: '/v1/orders', scheme: 'https', headers, body: signed.body } as const;
  };
  const decide = (at: number, request: Awaited<ReturnType<typeof sign>>, permission = 'orders:write') =>
    (verifiers[at] as Verifier).verify({ request, environment: 'market/test', permission });
  const verify = async (at: number, signer: Awaited<ReturnType<typeof issue>>) => decide(at, await sign(signer));

  it('accept one request once, wherever it comes first, however many come at once', async (t) => {
    if (missing) return t.diagnostic('not tested: redis-server is missing');
    const signer = await issue({});
    const request = await sign(signer);
    const codes = await Promise.all(Array.from({ length: 40 }, async (_, i) => (await decide(i % 2, request)).code));
    assert.equal(codes.filter((code) => code === 'VALID').length, 1);
    assert.equal(codes.filter((code) => code === 'REPLAYED').length, 39);
  });

  it('give a limit and a quota out once between them, and say so', async (t) => {
    if (missing) return t.diagnostic('not tested: redis-server is missing');
    const limits = {
      rateLimits: [{ name: 'hour', limit: 10, windowSeconds: 3600 }],
      quota: { limit: 7, period: 'month' },
    };
    const signer = await issue(limits);
    const verdicts = await Promise.all(Array.from({ length: 30 }, (_, i) => verify(i % 2, signer)));
    assert.equal(verdicts.filter(({ valid }) => valid).length, 7);
    assert.equal(verdicts.filter(({ code }) => code === 'QUOTA_EXCEEDED').length, 23);
    for (const { scope } of verdicts) assert.equal(scope, 'installation');
  });

  it('refuse writes while it is gone and reads only where that is said, and go on by themselves', async (t) => {
    if (missing) return t.diagnostic('not tested: redis-server is missing');
    const signer = await issue({});
    const closed = [{ name: 'hour', limit: 10, windowSeconds: 3600, withoutStore: 'refuse' }];
    const [counted, refused] = [
      await market.issue({ rateLimits: [{ ...closed[0], withoutStore: 'count' }] }),
      await market.issue({ rateLimits: closed }),
    ];
    await redis.kill();
    await eventually('it is noticed', async () => (await verify(0, signer)).code === 'STORE_UNAVAILABLE');
    assert.equal((await decide(0, await sign(signer, 'GET'), 'orders:read')).code, 'STORE_UNAVAILABLE');
    await setSigning({ replayReads: 'allow' });
    // What may have been signed before that was said is refused: the store may have accepted it.
    const read = await eventually('a read that was signed since is accepted', async () => {
      const request = await sign(signer, 'GET');
      return (await decide(0, request, 'orders:read')).valid && request;
    });
    assert.equal((await decide(0, read, 'orders:read')).code, 'REPLAYED', 'this verifier remembers meanwhile');
    assert.equal((await decide(0, await sign(signer, 'GET'))).code, 'STORE_UNAVAILABLE', 'what may write is no read');
    const bearer = (key: string) => (verifiers[0] as Verifier).verify({ key, environment: 'market/test' });
    const alone = await bearer(counted.secret);
    assert.deepEqual([alone.code, alone.scope], ['VALID', 'verifier']);
    assert.equal((await bearer(refused.secret)).code, 'STORE_UNAVAILABLE');
    const early = await sign(signer);
    await redis.start();
    await eventually('it is asked again', async () => (await verify(0, signer)).valid);
    assert.equal(
      (await decide(1, early)).code,
      'TIMESTAMP_OUT_OF_WINDOW',
      'it may have been seen before memory was lost',
    );
    assert.equal((await bearer(refused.secret)).code, 'VALID');
  });
});
