import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { send } from '../testing/installation.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('the environment of a verification', (createPlace) => {
  const shared = shareMarket(createPlace);
  const tokens: Record<string, string> = {};
  let key = '';

  before(async () => {
    const { expect, market } = shared();
    await expect(201, 'POST', '/v1/projects', { slug: 'other', name: 'Other' });
    await expect(201, 'POST', '/v1/projects/other/environments', { name: 'test', prefix: 'oth_test' });
    await expect(201, 'POST', '/v1/projects/market/environments', { name: 'live', prefix: 'mkt_live' });
    for (const [name, binding] of Object.entries({
      free: {},
      project: { projects: ['market'] },
      projects: { projects: ['market', 'other'] },
      environment: { environment: 'market/test' },
    })) {
      tokens[name] = (await expect(201, 'POST', '/v1/tokens', { name, scopes: ['verify'], ...binding })).secret;
    }
    key = (await market.issue()).secret;
  });

  /** Verdict code, or error code with field. */
  const answer = async (token: string, environment?: string): Promise<string> => {
    const url = new URL('/v1/verify', shared().installation.verifierUrl);
    const body = { key, ...(environment === undefined ? {} : { environment }) };
    const { body: answered } = await send(url, 'POST', body, { token: tokens[token] as string });
    return 'field' in answered ? `${answered.code} ${answered.field}` : answered.code;
  };

  const ABSENT = 'ENVIRONMENT_NOT_FOUND /environment';
  const cases: readonly [token: string, environment: string | undefined, answer: string][] = [
    ['free', 'market/test', 'VALID'],
    ['free', 'market/live', 'WRONG_ENVIRONMENT'],
    ['free', 'other/test', 'WRONG_ENVIRONMENT'],
    ['free', 'market/absent', ABSENT],
    ['free', 'test', 'INVALID_INPUT /environment'],
    ['free', undefined, 'INVALID_INPUT /environment'],
    ['project', 'market/test', 'VALID'],
    ['project', 'test', 'VALID'],
    ['project', 'other/test', ABSENT],
    ['project', undefined, 'INVALID_INPUT /environment'],
    ['projects', 'market/test', 'VALID'],
    ['projects', 'test', 'INVALID_INPUT /environment'],
    ['environment', 'market/test', 'VALID'],
    ['environment', 'test', 'VALID'],
    ['environment', undefined, 'VALID'],
    ['environment', 'market/live', ABSENT],
    ['environment', 'live', ABSENT],
    ['environment', 'other/test', ABSENT],
  ];
  for (const [token, environment, expected] of cases) {
    it(`${environment ?? 'left out'} by a token bound to ${token}: ${expected}`, async () => {
      assert.equal(await answer(token, environment), expected);
    });
  }

  it('may be another in each of a batch of 1,000; one more refuses all, and so does one mistake of the caller', async () => {
    const rateLimits = [{ name: 'all', limit: 2_000, windowSeconds: 3_600 }];
    const { secret } = await shared().market.issue({ rateLimits });
    const url = new URL('/v1/verify/batch', shared().installation.verifierUrl);
    const batch = (requests: readonly object[]) => send(url, 'POST', { requests }, { token: tokens['free'] as string });
    const good = { key: secret, environment: 'market/test' };
    for (const [mistake, code, field] of [
      [{ ...good, environment: 'market/absent' }, 'ENVIRONMENT_NOT_FOUND', '/requests/1/environment'],
      [{ ...good, permission: 'and' }, 'INVALID_INPUT', '/requests/1/permission'],
      [{ environment: 'market/test' }, 'INVALID_INPUT', '/requests/1/key'],
    ] as const) {
      const { status, body } = await batch([good, mistake]);
      assert.deepEqual([status >= 400, body.code, body.field], [true, code, field]);
    }
    const tooMany = await batch(new Array(1_001).fill(good));
    assert.deepEqual([tooMany.status, tooMany.body.code], [400, 'INVALID_INPUT']);
    const { status, body } = await batch([
      ...new Array(998).fill(good),
      { key: 'nothing', environment: 'market/test' },
      { ...good, environment: 'market/live' },
    ]);
    const codes = body.verdicts.map((verdict: { code: string }) => verdict.code);
    assert.deepEqual([status, codes.length, codes.slice(-2)], [200, 1_000, ['MALFORMED', 'WRONG_ENVIRONMENT']]);
    // Nothing was taken for those that were refused.
    assert.equal(body.verdicts[997].rateLimits[0].remaining, 2_000 - 998);
  });

  it('what only a client can have caused is the verdict on his request, in a batch on no other', async () => {
    const url = new URL('/v1/verify', shared().installation.verifierUrl);
    const token = { token: tokens['free'] as string };
    const environment = 'market/test';
    const request = { method: 'GET', target: '/', headers: [['Authorization', `Bearer ${key}`]] };
    const unread = [
      { key: 'x'.repeat(501), environment },
      ...[{ method: '' }, { method: 'x'.repeat(33) }, { target: '' }, { target: `/${'x'.repeat(16_384)}` }].map(
        (more) => {
          return { request: { ...request, ...more }, environment };
        },
      ),
      { request: { ...request, headers: [['X', 'y'.repeat(16_385)]] }, environment },
      { request: { ...request, headers: new Array(201).fill(['X', 'y']) }, environment },
      { request: { ...request, body: Buffer.alloc(1024 * 1024 + 3).toString('base64') }, environment },
    ];
    for (const one of unread) {
      const { body } = await send(url, 'POST', one, token);
      assert.deepEqual([body.code, typeof body.reason], ['MALFORMED', 'string'], JSON.stringify(one).slice(0, 99));
    }
    const good = { key, environment };
    const requests = unread.flatMap((one) => [good, one]);
    const { body } = await send(new URL('/v1/verify/batch', url), 'POST', { requests }, token);
    const codes = body.verdicts.map(({ code }: { code: string }) => code);
    assert.deepEqual(
      codes,
      unread.flatMap(() => ['VALID', 'MALFORMED']),
    );
  });

  it('is usable when the reply that created it returns', async () => {
    for (let i = 0; i < 3; i++) {
      const name = `fresh-${i}`;
      await shared().expect(201, 'POST', '/v1/projects/market/environments', { name, prefix: `fresh${i}` });
      const fresh = await shared().market.issue({ environment: name });
      const verdict = await shared().installation.verify({ key: fresh.secret, environment: `market/${name}` });
      assert.equal(verdict.code, 'VALID');
    }
  });

  it('and a permission that no one can read are errors of the caller, not verdicts on his client', async () => {
    const url = new URL('/v1/verify', shared().installation.verifierUrl);
    const body = { key, environment: 'market/test', permission: 'prices:read and' };
    const problem = await send(url, 'POST', body, { token: tokens['free'] as string });
    assert.deepEqual([problem.status, problem.body.code, problem.body.field], [400, 'INVALID_INPUT', '/permission']);
  });

  it('decides expressions over permissions, networks and what is no key', async () => {
    const { secret } = await shared().market.issue({
      permissions: ['prices:*', 'orders:read'],
      allowedNetworks: ['192.0.2.0/24', '2001:db8::/32'],
    });
    const cases: readonly [request: Record<string, unknown>, code: string][] = [
      [{ permission: 'prices:read and (orders:write or orders:read)', clientIp: '192.0.2.1' }, 'VALID'],
      [{ permission: 'prices:read and orders:write', clientIp: '192.0.2.1' }, 'INSUFFICIENT_PERMISSIONS'],
      [{ clientIp: '::ffff:192.0.2.1' }, 'VALID'],
      [{ clientIp: '2001:db8::1' }, 'VALID'],
      [{ clientIp: '198.51.100.1' }, 'NETWORK_NOT_ALLOWED'],
      [{ clientIp: 'nonsense' }, 'NETWORK_NOT_ALLOWED'],
      [{}, 'NETWORK_NOT_ALLOWED'],
    ];
    for (const [request, code] of cases)
      assert.equal(await shared().codeOf(secret, request), code, JSON.stringify(request));
    assert.equal(await shared().codeOf('nonsense'), 'MALFORMED');
    assert.equal(await shared().codeOf(`${secret}0`), 'MALFORMED');
  });

  it("takes a client's address from the caller's field alone, not from who asks", async () => {
    const { secret } = await shared().market.issue({ allowedNetworks: ['127.0.0.0/8', '::1/128'] });
    const url = new URL('/v1/verify', shared().installation.verifierUrl);
    const headers = { forwarded: 'for=127.0.0.1', 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1' };
    const asked = { token: tokens['environment'] as string, headers };
    assert.equal((await send(url, 'POST', { key: secret }, asked)).body.code, 'NETWORK_NOT_ALLOWED');
    const batch = await send(new URL('/v1/verify/batch', url), 'POST', { requests: [{ key: secret }] }, asked);
    assert.equal(batch.body.verdicts[0].code, 'NETWORK_NOT_ALLOWED');
    assert.equal((await send(url, 'POST', { key: secret, clientIp: '127.0.0.1' }, asked)).body.code, 'VALID');
  });
});
