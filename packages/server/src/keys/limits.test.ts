import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLog } from '../http/log.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw } from '../testing/raw-database.ts';
import { send, untilReady } from '../testing/installation.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { startVerifierProcess, type VerifierProcess } from '../verification/verifier-process.ts';

const MINUTE_LIMIT = (name: string, limit: number) => ({ name, limit, windowSeconds: 3600 });

onEachDatabase('limits and quotas of a key', (createPlace) => {
  const shared = shareMarket(createPlace);
  const verify = (key: string, request: object = {}) =>
    shared().installation.verify({ key, environment: 'market/test', ...request });

  it('counts several named limits and takes from all of them or from none', async () => {
    const { secret } = await shared().market.issue({
      rateLimits: [MINUTE_LIMIT('narrow', 3), MINUTE_LIMIT('wide', 10)],
    });
    const first = await verify(secret, { cost: 2 });
    assert.equal(first.scope, 'verifier');
    assert.deepEqual(
      first.rateLimits?.map(({ name, remaining }) => [name, remaining]),
      [
        ['narrow', 1],
        ['wide', 8],
      ],
    );
    const refused = await verify(secret, { cost: 2 });
    assert.equal(refused.code, 'RATE_LIMITED');
    const [narrow, wide] = refused.rateLimits ?? [];
    assert.ok((narrow?.retryAfterSeconds ?? 0) > 0);
    assert.equal(wide?.retryAfterSeconds, undefined);
    assert.equal(wide?.remaining, 8);
    assert.equal((await verify(secret)).code, 'VALID');
  });

  it('shares the limits of a consumer between all of its keys', async () => {
    const body = { project: 'market', name: 'limited', rateLimits: [MINUTE_LIMIT('all', 2)] };
    const { id: consumer } = await shared().expect(201, 'POST', '/v1/consumers', body);
    const [one, two] = [await shared().market.issue({ consumer }), await shared().market.issue({ consumer })];
    assert.equal((await verify(one.secret)).code, 'VALID');
    assert.equal((await verify(two.secret)).code, 'VALID');
    assert.equal((await verify(one.secret)).code, 'RATE_LIMITED');
    assert.equal((await verify(two.secret)).code, 'RATE_LIMITED');
  });

  it('spends a quota by cost, and says when it begins anew', async () => {
    const { secret } = await shared().market.issue({ quota: { limit: 5, period: 'month' } });
    const { quota } = await verify(secret, { cost: 4 });
    const now = new Date();
    const resetsAt = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString();
    assert.deepEqual(quota, { limit: 5, remaining: 1, period: 'month', resetsAt });
    assert.equal((await verify(secret, { cost: 2 })).code, 'QUOTA_EXCEEDED');
    assert.equal((await verify(secret, { cost: 1 })).code, 'VALID');
    assert.equal((await verify(secret, { cost: 0 })).code, 'VALID');
  });

  it('takes nothing for a request that is refused by another rule', async () => {
    const { secret } = await shared().market.issue({
      rateLimits: [MINUTE_LIMIT('a', 1)],
      quota: { limit: 1, period: 'day' },
    });
    for (let i = 0; i < 3; i++) {
      assert.equal((await verify(secret, { permission: 'orders:write' })).code, 'INSUFFICIENT_PERMISSIONS');
    }
    assert.equal((await verify(secret)).code, 'VALID');
    assert.equal((await verify(secret)).code, 'RATE_LIMITED');
  });

  it('keeps what was used when a limit or a quota is changed', async () => {
    const { keyId, secret } = await shared().market.issue({ quota: { limit: 5, period: 'month' } });
    await verify(secret, { cost: 5 });
    await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { quota: { limit: 6, period: 'month' } });
    assert.equal((await verify(secret)).quota?.remaining, 0);
    assert.equal((await verify(secret)).code, 'QUOTA_EXCEEDED');
  });

  const restarted = async (): Promise<VerifierProcess> => {
    const { config, controlUrl, verifierTokenFile } = shared().installation;
    const own = { ...config, controlUrl, tokenFile: verifierTokenFile };
    const verifier = await startVerifierProcess(own, createLog('silent', 'test'));
    await untilReady(verifier.url);
    return verifier;
  };
  const remainingAt = async (verifier: VerifierProcess, key: string): Promise<number> => {
    const body = { key, environment: 'market/test', cost: 0 };
    const token = shared().installation.bootstrapToken;
    return (await send(new URL('/v1/verify', verifier.url), 'POST', body, { token })).body.quota.remaining;
  };
  const reported = async (keyId: string, used: number) => {
    await using raw = await openRaw(shared().place);
    await eventually(`a report of ${used} units`, async () => {
      const [row] = await raw.rows(`select used from quota_usage where key_id = '${keyId}'`);
      return Number(row?.used) === used;
    });
  };

  it('goes on from the reported count of a quota in a verifier started anew', async () => {
    const { keyId, secret } = await shared().market.issue({ quota: { limit: 10, period: 'month' } });
    await verify(secret, { cost: 7 });
    await reported(keyId, 7);
    await using verifier = await restarted();
    assert.equal(await remainingAt(verifier, secret), 3);
  });

  it('goes on from the reported count after the period of a quota was made longer', async () => {
    const { keyId, secret } = await shared().market.issue({ quota: { limit: 10, period: 'minute' } });
    await verify(secret, { cost: 1 });
    await reported(keyId, 1);
    await shared().expect(200, 'PATCH', `/v1/keys/${keyId}`, { quota: { limit: 10, period: 'month' } });
    await verify(secret, { cost: 7 });
    const { remaining = -1 } = (await verify(secret, { cost: 0 })).quota ?? {};
    await reported(keyId, 10 - remaining);
    await using verifier = await restarted();
    assert.equal(await remainingAt(verifier, secret), remaining);
  });
});
