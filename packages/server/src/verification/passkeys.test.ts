import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { confirmWithPasskey, type PasskeyHolder } from '@keyhold/sdk/signing/confirm-with-passkey';
import { signRequest } from '@keyhold/sdk/signing/sign-request';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { PasskeyDevice } from '../testing/passkey-device.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

const AT = '/v1/projects/market/environments/test';
const ORIGIN = 'https://app.example';
const URL_OF_API = 'https://api.example/v1/withdrawals?asset=BTC';
const DIALECTS = ['rfc9421', 'binance', 'okx'] as const;

onEachDatabase('a passkey of a consumer', (createPlace) => {
  const shared = shareMarket(createPlace);

  const consumer = async (): Promise<string> =>
    (await shared().expect(201, 'POST', '/v1/consumers', { project: 'market', name: 'trader' })).id;
  const enrol = (of: string, settings: object = {}, status = 201) =>
    shared().expect(status, 'POST', `/v1/consumers/${of}/factors/passkey`, {
      ...{ environment: 'test', name: 'laptop', rpId: 'app.example', origins: [ORIGIN] },
      ...settings,
    });
  const enrolled = async (of: string, device = new PasskeyDevice(ORIGIN, 'app.example')) => {
    const { factor, options } = await enrol(of);
    const path = `/v1/factors/${factor.id}/confirm-passkey`;
    const confirmed = await shared().expect(200, 'POST', path, { response: device.create(options) });
    assert.deepEqual([confirmed.factor.state, confirmed.factor.kind], ['active', 'passkey']);
    return { device, id: factor.id as string };
  };
  const signing = async (of: string) => {
    const place = { project: 'market', environment: 'test', consumer: of, name: 'key', permissions: ['funds:*'] };
    const { credential, secret, passphrase } = await shared().expect(201, 'POST', '/v1/keys', {
      ...place,
      credential: { kind: 'hmac' },
    });
    let rising = 0;
    const sign = (dialect: (typeof DIALECTS)[number]) => {
      const key = { kind: 'hmac', secret } as const;
      const now = () => Date.now() + (rising++ % 500);
      const signer = { dialect, credential: credential.id as string, key, passphrase, now };
      const body = dialect === 'binance' ? 'amount=1' : '{"amount":1}';
      return signRequest(signer, { method: 'POST', url: URL_OF_API, body });
    };
    return { sign, credential: { id: credential.id as string } };
  };
  const confirm = (
    request: OutgoingRequest,
    credential: PasskeyHolder['credential'],
    device: PasskeyDevice,
    now?: () => number,
  ) => confirmWithPasskey(request, { credential, rpId: 'app.example', ...(now === undefined ? {} : { now }) }, device);
  const code = async ({ method, url, headers, body }: OutgoingRequest): Promise<string> => {
    const { host, pathname, search } = new URL(url);
    const request = {
      ...{ method, target: pathname + search, headers: [['Host', host], ...headers] },
      body: Buffer.from(body).toString('base64'),
    };
    const asked = { request, environment: 'market/test', permission: 'funds:withdraw' };
    return (await shared().installation.verify(asked)).code;
  };

  before(async () => {
    const dialects = DIALECTS.map((dialect) => ({ dialect }));
    await shared().expect(200, 'PUT', `${AT}/signing`, { dialects, replay: 'verifier' });
    await shared().expect(200, 'PUT', `${AT}/rules`, { secondFactor: ['funds:*'] });
    const of = await consumer();
    const { sign, credential } = await signing(of);
    const { device } = await enrolled(of);
    await eventually('the verifier guards alone', async () => {
      return (await code(await confirm(await sign('rfc9421'), credential, device))) === 'VALID';
    });
  });

  it('confirms one request, once, in every dialect and beside a bearer key', async () => {
    const of = await consumer();
    const { sign, credential } = await signing(of);
    const { device } = await enrolled(of);
    for (const dialect of DIALECTS) {
      assert.equal(await code(await sign(dialect)), 'SECOND_FACTOR_REQUIRED', dialect);
      const confirmed = await confirm(await sign(dialect), credential, device);
      assert.equal(await code(confirmed), 'VALID', dialect);
      assert.notEqual(await code(confirmed), 'VALID', `${dialect}: a second time`);
    }
    const { secret: key } = await shared().market.issue({ consumer: of, permissions: ['funds:*'] });
    const bearer = {
      method: 'POST',
      url: URL_OF_API,
      headers: [['Authorization', `Bearer ${key}`]],
      body: Buffer.from('{}'),
    } as const;
    const confirmed = await confirm(bearer, { key }, device);
    assert.equal(await code(confirmed), 'VALID');
    assert.equal(await code(confirmed), 'SECOND_FACTOR_REQUIRED', 'a second time');
  });

  it('confirms no other request, and for nobody else', async () => {
    const of = await consumer();
    const { device } = await enrolled(of);
    const { secret: key } = await shared().market.issue({ consumer: of, permissions: ['funds:*'] });
    const { secret: other } = await shared().market.issue({ consumer: of, permissions: ['funds:*'] });
    const withKey = (secret: string) => ['Authorization', `Bearer ${secret}`] as const;
    const request = { method: 'POST', url: URL_OF_API, headers: [withKey(key)], body: Buffer.from('{"amount":1}') };
    const confirmed = await confirm(request, { key }, device);
    const refused = async (changed: OutgoingRequest) => assert.equal(await code(changed), 'SECOND_FACTOR_REQUIRED');
    await refused({ ...confirmed, body: Buffer.from('{"amount":9}') });
    await refused({ ...confirmed, url: `${URL_OF_API}&to=me` });
    await refused({ ...confirmed, method: 'PUT' });
    await refused({ ...confirmed, headers: [withKey(other), ...confirmed.headers.slice(1)] });
    await refused({ ...confirmed, headers: [...confirmed.headers, ...confirmed.headers.slice(1)] });
    await refused({ ...confirmed, headers: [withKey(key), ['Keyhold-Passkey', 'e30']] });
    const stranger = new PasskeyDevice(ORIGIN, 'app.example');
    await refused(await confirm(request, { key }, stranger));
    await refused(await confirm(request, { key }, device, () => Date.now() - 121_000));
    await refused(await confirm(request, { key }, device, () => Date.now() + 5_000));
    const elsewhere = Object.assign(device, { origin: 'https://evil.example' });
    await refused(await confirm(request, { key }, elsewhere));
    Object.assign(device, { origin: ORIGIN, verified: false });
    await refused(await confirm(request, { key }, device));
    Object.assign(device, { verified: true, rpId: 'other.example' });
    await refused(await confirm(request, { key }, device));
    Object.assign(device, { rpId: 'app.example' });
    assert.equal(await code(confirmed), 'VALID', 'and all of that spent nothing');
  });

  it('counts nowhere when its removal has returned, nor where somebody changed it past the ledger', async () => {
    const of = await consumer();
    const { secret: key } = await shared().market.issue({ consumer: of, permissions: ['funds:*'] });
    const request = {
      method: 'GET',
      url: URL_OF_API,
      headers: [['Authorization', `Bearer ${key}`]],
      body: Buffer.from(''),
    } as const;
    const { device, id } = await enrolled(of);
    assert.equal(await code(await confirm(request, { key }, device)), 'VALID');
    const { barrier } = await shared().expect(200, 'DELETE', `/v1/factors/${id}`);
    assert.equal(barrier.unconfirmed, 0);
    assert.equal(await code(await confirm(request, { key }, device)), 'SECOND_FACTOR_REQUIRED');
    const mine = await enrol(of);
    await using raw = await openRaw(shared().place);
    await raw.run(`update passkeys set challenge = 'AAAA' where factor_id = '${mine.factor.id}'`);
    const response = new PasskeyDevice(ORIGIN, 'app.example').create({ challenge: 'AAAA' });
    const path = `/v1/factors/${mine.factor.id}/confirm-passkey`;
    assert.equal((await shared().expect(409, 'POST', path, { response })).code, 'ROW_TAMPERED');
  });

  it('is enrolled by the answer to this enrolment alone, once, and for pages that lie under its domain', async () => {
    const of = await consumer();
    const { factor, options } = await enrol(of);
    assert.deepEqual([options.rp.id, options.attestation], ['app.example', 'none']);
    const path = `/v1/factors/${factor.id}/confirm-passkey`;
    const device = new PasskeyDevice(ORIGIN, 'app.example');
    const answers = [
      device.create({ challenge: 'AAAA' }),
      Object.assign(new PasskeyDevice('https://evil.example', 'app.example')).create(options),
      Object.assign(new PasskeyDevice(ORIGIN, 'app.example'), { verified: false }).create(options),
      new PasskeyDevice(ORIGIN, 'other.example').create(options),
    ];
    for (const response of answers) {
      assert.equal((await shared().expect(409, 'POST', path, { response })).code, 'POSSESSION_UNPROVEN');
    }
    const otp = await shared().expect(409, 'POST', `/v1/factors/${factor.id}/confirm`, { otp: '000000' });
    assert.equal(otp.code, 'ILLEGAL_TRANSITION');
    const response = device.create(options);
    await shared().expect(200, 'POST', path, { response });
    assert.equal((await shared().expect(409, 'POST', path, { response })).code, 'ILLEGAL_TRANSITION');
    for (const origins of [
      ['https://app.example.evil'],
      ['http://app.example'],
      ['https://app.example/'],
      ['app.example'],
    ]) {
      assert.equal((await enrol(of, { origins }, 400)).field, '/origins/0', origins[0]);
    }
    await enrol(of, { origins: ['https://trade.app.example', ORIGIN] });
    await enrol(of, { rpId: 'localhost', origins: ['http://localhost:3000'] });
  });
});
