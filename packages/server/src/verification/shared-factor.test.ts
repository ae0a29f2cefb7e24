import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TOTP_STEP_MS } from '@keyhold/protocol/totp';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import { embedVerifier, openSharedStore } from '@keyhold/sdk/embedded';
import { signRequest } from '@keyhold/sdk/signing/sign-request';
import { haveRedis, RealRedis } from '@keyhold/verifier/testing/real-redis';
import { authenticator } from '../testing/authenticator.ts';
import { createPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';

const AT = '/v1/projects/market/environments/test';

it("Kraken's otp counts once for all verifiers that share a store, and an overheard request shuts nobody out", async (t) => {
  if (!haveRedis(t)) return;
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await RealRedis.start());
  const installation = stack.use(await startInstallation(stack.use(await createPlace('sqlite'))));
  const call = async (status: number, method: string, path: string, body?: object) => {
    const answer = await installation.call(method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const { consumer, issue } = await createMarket(installation);
  await call(200, 'PUT', `${AT}/signing`, { dialects: [{ dialect: 'kraken' }], replay: 'shared' });
  await call(200, 'PUT', `${AT}/rules`, { secondFactor: ['funds:withdraw'] });
  const feed = await call(201, 'POST', '/v1/tokens', { name: 'exchange', scopes: ['feed', 'feed:hmac'] });
  const [one, other] = [1, 2].map(() => {
    const store = openSharedStore({ url: redis.url });
    const verifier = embedVerifier({ controlUrl: installation.controlUrl, token: feed.secret }, {}, store);
    stack.defer(() => verifier.stop());
    return { verifier, store };
  }) as [{ verifier: ReturnType<typeof embedVerifier>; store: ReturnType<typeof openSharedStore> }, never];
  await eventually('both are ready', async () =>
    [one, other].every((a: typeof one) => a.verifier.ready && a.store.ready),
  );

  const { credentialId, secret } = await issue({ permissions: ['funds:withdraw'], credential: { kind: 'hmac' } });
  const app = async () => {
    const { factor, uri } = await call(201, 'POST', `/v1/consumers/${consumer}/factors/totp`, {
      environment: 'test',
      name: 'phone',
    });
    const { codeAt } = authenticator(uri);
    await call(200, 'POST', `/v1/factors/${factor.id}/confirm`, { otp: codeAt(Date.now()) });
    return { id: factor.id as string, next: codeAt(Date.now() + TOTP_STEP_MS) };
  };
  const withdraw = async (otp?: string): Promise<VerificationRequest> => {
    const key = { kind: 'hmac', secret } as const;
    const signer = { dialect: 'kraken', credential: credentialId, key, ...(otp === undefined ? {} : { otp }) } as const;
    const contentType = ['Content-Type', 'application/x-www-form-urlencoded'] as const;
    const toSign = { method: 'POST', url: 'https://api.example/0/private/Withdraw', body: 'asset=XBT&amount=1' };
    const { method, url, headers, body } = await signRequest(signer, { ...toSign, headers: [contentType] });
    const request = { method, target: new URL(url).pathname, scheme: 'https', headers, body } as const;
    return { request, environment: 'market/test', permission: 'funds:withdraw' };
  };
  const at = async ({ verifier }: typeof one, request: VerificationRequest) => (await verifier.verify(request)).code;
  const wrongOf = (otp: string) => otp.replace(/.$/, (last) => String((Number(last) + 5) % 10));

  const { next } = await eventually('the store remembers since before there was such a factor', async () => {
    const { id, next } = await app();
    const code = await at(one, await withdraw(next));
    await call(200, 'DELETE', `/v1/factors/${id}`);
    return code === 'VALID' ? await app() : null;
  });
  assert.equal(await at(one, await withdraw()), 'SECOND_FACTOR_REQUIRED');
  const overheard = await withdraw(wrongOf(next));
  assert.equal(await at(one, overheard), 'SECOND_FACTOR_REQUIRED');
  for (let i = 0; i < 20; i++) assert.equal(await at(i % 2 ? one : other, overheard), 'REPLAYED');
  assert.equal(await at(one, await withdraw(next)), 'VALID');
  assert.equal(await at(other, await withdraw(next)), 'SECOND_FACTOR_REQUIRED', 'used with the other verifier');
  await redis[Symbol.asyncDispose]();
  const again = await app();
  assert.equal(await at(one, await withdraw(again.next)), 'STORE_UNAVAILABLE');
  assert.equal(
    await at(one, await withdraw(wrongOf(again.next))),
    'STORE_UNAVAILABLE',
    'nothing to be learnt meanwhile',
  );
});
