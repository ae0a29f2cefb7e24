import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { TOTP_STEP_MS } from '@keyhold/protocol/totp';
import { type Signer, signRequest } from '@keyhold/sdk/signing/sign-request';
import { authenticator } from '../testing/authenticator.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { shareMarket } from '../testing/shared-market.ts';

const AT = '/v1/projects/market/environments/test';
const WITHDRAW = { permission: 'funds:withdraw' };

onEachDatabase('a second factor', (createPlace) => {
  const shared = shareMarket(createPlace);

  const consumer = async (): Promise<string> =>
    (await shared().expect(201, 'POST', '/v1/consumers', { project: 'market', name: 'bot' })).id;
  const issue = async (settings: object = {}) => {
    const body = { project: 'market', environment: 'test', name: 'key', permissions: ['funds:*', 'prices:read'] };
    return await shared().expect(201, 'POST', '/v1/keys', { ...body, ...settings });
  };
  const enrol = (of: string, settings: object = {}) =>
    shared().expect(201, 'POST', `/v1/consumers/${of}/factors/totp`, {
      environment: 'test',
      name: 'phone',
      ...settings,
    });
  /** An app whose code counts; the one that confirmed it is used, so the next one is there to be sent. */
  const app = async (of: string, settings: object = {}) => {
    const { factor, uri } = await enrol(of, settings);
    const { codeAt } = authenticator(uri);
    const otp = codeAt(Date.now());
    const confirmed = await shared().expect(200, 'POST', `/v1/factors/${factor.id}/confirm`, { otp });
    assert.equal(confirmed.factor.state, 'active');
    return { id: factor.id as string, used: otp, next: codeAt(Date.now() + TOTP_STEP_MS) };
  };
  const codeOf = (secret: string, otp?: string) =>
    shared().codeOf(secret, { ...WITHDRAW, ...(otp === undefined ? {} : { secondFactor: { otp } }) });
  const other = (otp: string) => otp.replace(/.$/, (last) => String((Number(last) + 5) % 10));

  before(async () => {
    const dialects = [{ dialect: 'rfc9421', components: ['@method', '@target-uri'] }];
    await shared().expect(200, 'PUT', `${AT}/signing`, { dialects, replay: 'verifier' });
    const { rules, barrier } = await shared().expect(200, 'PUT', `${AT}/rules`, { secondFactor: ['funds:*'] });
    assert.deepEqual([rules.secondFactor, barrier.acknowledged], [['funds:*'], 1]);
    // What may have been used before a verifier began to remember is not its to accept: not of a factor this new.
    const of = await consumer();
    const { secret } = await issue({ consumer: of });
    await eventually('the verifier guards alone', async () => {
      const { id, next } = await app(of);
      const code = await codeOf(secret, next);
      await shared().expect(200, 'DELETE', `/v1/factors/${id}`);
      return code === 'VALID';
    });
    const { credential, secret: own } = await issue({ consumer: of, credential: { kind: 'hmac' } });
    const signer = { dialect: 'rfc9421', credential: credential.id, key: { kind: 'hmac', secret: own } } as const;
    await eventually('it accepts what is signed', async () => {
      return (await ask(await received(signer), { permission: 'prices:read' })).valid;
    });
  });

  it('is asked for where the rules say so, and a code of the app counts once', async () => {
    const of = await consumer();
    const { secret } = await issue({ consumer: of });
    assert.equal(await shared().codeOf(secret, { permission: 'prices:read' }), 'VALID');
    assert.equal(await codeOf(secret), 'SECOND_FACTOR_REQUIRED', 'none is there');
    const { used, next } = await app(of);
    assert.equal(await codeOf(secret), 'SECOND_FACTOR_REQUIRED', 'none was shown');
    assert.equal(await codeOf(secret, used), 'SECOND_FACTOR_REQUIRED', 'the code that confirmed it');
    assert.equal(await codeOf(secret, other(next)), 'SECOND_FACTOR_REQUIRED', 'a wrong one');
    assert.equal(await codeOf(secret, next), 'VALID');
    assert.equal(await codeOf(secret, next), 'SECOND_FACTOR_REQUIRED', 'once more');
    assert.equal(
      await shared().codeOf(secret, { permission: 'prices:read or funds:withdraw' }),
      'SECOND_FACTOR_REQUIRED',
    );
  });

  it("is the consumer's own, counts once confirmed, and may be of SHA-256", async () => {
    const [one, another] = [await consumer(), await consumer()];
    const { secret } = await issue({ consumer: one });
    const [own, foreign] = [await app(one, { algorithm: 'sha256' }), await app(another)];
    assert.equal(await codeOf(secret, foreign.next), 'SECOND_FACTOR_REQUIRED');
    const { uri } = await enrol(one);
    const unconfirmed = authenticator(uri).codeAt(Date.now());
    assert.equal(await codeOf(secret, unconfirmed), 'SECOND_FACTOR_REQUIRED');
    assert.equal(await codeOf(secret, own.next), 'VALID');
  });

  it('counts nowhere when its removal has returned', async () => {
    const of = await consumer();
    const { secret } = await issue({ consumer: of });
    const { id, next } = await app(of);
    const removed = await shared().expect(200, 'DELETE', `/v1/factors/${id}`);
    assert.deepEqual([removed.factor.state, removed.barrier.acknowledged], ['removed', 1]);
    assert.equal(await codeOf(secret, next), 'SECOND_FACTOR_REQUIRED');
    const again = await shared().expect(200, 'DELETE', `/v1/factors/${id}`);
    assert.equal(again.barrier.sequence, removed.barrier.sequence);
    const listed = await shared().expect(200, 'GET', `/v1/consumers/${of}/factors`);
    assert.deepEqual(
      listed.items.map(({ state }: { state: string }) => state),
      ['removed'],
    );
    const late = await shared().expect(409, 'POST', `/v1/factors/${id}/confirm`, { otp: next });
    assert.equal(late.code, 'ILLEGAL_TRANSITION');
  });

  it('is shut out after five wrong codes, right ones too, and no other consumer is', async () => {
    const [one, another] = [await consumer(), await consumer()];
    const [guessed, quiet] = [await issue({ consumer: one }), await issue({ consumer: another })];
    const [own, beside] = [await app(one), await app(another)];
    const guesses = Array.from({ length: 40 }, () => codeOf(guessed.secret, other(own.next)));
    assert.deepEqual(new Set(await Promise.all(guesses)), new Set(['SECOND_FACTOR_REQUIRED']));
    assert.equal(await codeOf(guessed.secret, own.next), 'SECOND_FACTOR_REQUIRED');
    assert.equal(await codeOf(quiet.secret, beside.next), 'VALID');
  });

  it('is signed with the request where the dialect signs it, and spends nothing of an overheard one', async () => {
    const of = await consumer();
    const { credential, secret } = await issue({ consumer: of, credential: { kind: 'hmac' } });
    const { next } = await app(of);
    const signed = (more: Partial<Signer> = {}) =>
      received({ dialect: 'rfc9421', credential: credential.id, key: { kind: 'hmac', secret }, ...more });
    const verify = async (request: object) => (await ask(request)).code;
    const bare = await signed();
    const planted = { ...bare, headers: [...bare.headers, ['Keyhold-Otp', next]] };
    assert.equal(await verify(planted), 'SECOND_FACTOR_REQUIRED', 'a code that the signature does not cover');
    const wrong = await signed({ otp: other(next) });
    assert.equal(await verify(wrong), 'SECOND_FACTOR_REQUIRED');
    for (let i = 0; i < 10; i++) assert.equal(await verify(wrong), 'REPLAYED', 'overheard, sent again');
    const right = await signed({ otp: next });
    assert.equal(await verify(right), 'VALID');
    assert.equal(await verify(right), 'REPLAYED');
  });

  it('tells nothing of a code in a request that was sent before, whatever the code is', async () => {
    const of = await consumer();
    const { credential, secret } = await issue({ consumer: of, credential: { kind: 'hmac' } });
    const { next } = await app(of);
    const key = { kind: 'hmac', secret } as const;
    const nonce = () => ({ text: 'the same', rising: 1n });
    const guess = async (otp: string) =>
      (await ask(await received({ dialect: 'rfc9421', credential: credential.id, key, otp, nonce }))).code;
    assert.equal(await guess(other(next)), 'SECOND_FACTOR_REQUIRED');
    // Who has the secret and not the app: one request, its code another each time.
    for (let i = 0; i < 30; i++) assert.equal(await guess(other(next)), 'REPLAYED');
    assert.equal(await guess(next), 'REPLAYED', 'the right one looks like the wrong ones');
    const request = await received({ dialect: 'rfc9421', credential: credential.id, key });
    // Who has nothing but a request that he overheard, and an API that takes the code beside it.
    const beside = async (otp: string) => (await ask(request, { secondFactor: { otp } })).code;
    assert.equal(await beside(other(next)), 'SECOND_FACTOR_REQUIRED');
    for (const otp of [other(next), next]) assert.equal(await beside(otp), 'REPLAYED');
  });

  it('comes in a header beside a bearer key, and in the call beside what is signed', async () => {
    const of = await consumer();
    const { secret } = await issue({ consumer: of });
    const { next } = await app(of);
    const headers = [
      ['Authorization', `Bearer ${secret}`],
      ['Keyhold-OTP', next],
    ];
    const twice = { headers: [...headers, ['keyhold-otp', next]] };
    const bearer = { method: 'POST', target: '/v1/withdrawals', headers };
    assert.equal((await ask({ ...bearer, ...twice })).code, 'SECOND_FACTOR_REQUIRED');
    assert.equal((await ask(bearer)).code, 'VALID');
    const signing = await issue({ consumer: of, credential: { kind: 'hmac' } });
    const second = await app(of);
    const key = { kind: 'hmac', secret: signing.secret } as const;
    const request = await received({ dialect: 'rfc9421', credential: signing.credential.id, key });
    assert.equal((await ask(request, { secondFactor: { otp: second.next } })).code, 'VALID');
  });

  it('is checked before the control plane is asked, and an entry has it that it was enrolled', async () => {
    const of = await consumer();
    const setting = `${AT}/permissions/funds:withdraw`;
    await shared().expect(200, 'PUT', setting, { audit: 'every-use' });
    const { key, secret } = await issue({ consumer: of });
    const { id, next } = await app(of);
    assert.equal(await codeOf(secret, other(next)), 'SECOND_FACTOR_REQUIRED');
    assert.equal(await codeOf(secret, next), 'VALID');
    const uses = await shared().expect(200, 'GET', `/v1/audit/entries?action=key.used&subject=${key.id}`);
    assert.equal(uses.items.length, 1);
    const entries = await shared().expect(200, 'GET', `/v1/audit/entries?subject=${id}`);
    assert.deepEqual(entries.items.map(({ action }: { action: string }) => action).sort(), [
      'factor.confirmed',
      'factor.enrolled',
    ]);
    await shared().expect(200, 'PUT', setting, {});
  });

  it('has a secret that is shown once, lies encrypted, and is not made while the installation is sealed', async () => {
    const of = await consumer();
    const { expect, installation } = shared();
    const headers = { 'idempotency-key': 'once' };
    const body = { environment: 'test', name: 'phone' };
    const path = `/v1/consumers/${of}/factors/totp`;
    const first = await expect(201, 'POST', path, body, { headers });
    const repeated = await expect(200, 'POST', path, body, { headers });
    assert.deepEqual(repeated, { factor: first.factor, secretShown: true });
    for (let i = 0; i < 4; i++) await enrol(of);
    assert.equal((await expect(409, 'POST', path, body)).code, 'TOO_MANY_FACTORS');
    const { secret } = await issue({ consumer: await consumer() });
    await installation.call('POST', '/v1/seal');
    const sealed = await installation.call('POST', `/v1/consumers/${await consumer()}/factors/totp`, body);
    assert.deepEqual([sealed.status, sealed.body.code], [503, 'SEALED']);
    const otp = authenticator(first.uri).codeAt(Date.now());
    assert.equal((await installation.call('POST', `/v1/factors/${first.factor.id}/confirm`, { otp })).status, 503);
    await installation.call('POST', '/v1/unseal', {});
    await expect(200, 'POST', `/v1/factors/${first.factor.id}/confirm`, { otp });
    assert.equal(await codeOf(secret), 'SECOND_FACTOR_REQUIRED');
  });

  it('is not asked for any more once the rules do not', async () => {
    const { secret } = await issue({ consumer: await consumer() });
    await shared().expect(200, 'PUT', `${AT}/rules`, {});
    assert.equal(await codeOf(secret), 'VALID');
    await shared().expect(200, 'PUT', `${AT}/rules`, { secondFactor: ['*:withdraw'] });
    assert.equal(await codeOf(secret), 'SECOND_FACTOR_REQUIRED');
  });

  const ask = (request: object, more: object = {}) =>
    shared().installation.verify({ request, environment: 'market/test', ...WITHDRAW, ...more });
  const received = async (signer: Signer) => {
    const toSign = { method: 'POST', url: 'https://api.example/v1/withdrawals', body: '{"amount":1}' };
    const { method, url, headers, body } = await signRequest(signer, toSign);
    const { host, pathname } = new URL(url);
    const bytes = Buffer.from(body).toString('base64');
    return { method, target: pathname, headers: [['Host', host], ...headers], body: bytes };
  };
});
