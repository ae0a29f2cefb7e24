import assert from 'node:assert/strict';
import { verify as cryptoVerify, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { before, it } from 'node:test';
import { checkEvidence } from '@keyhold/auditor/check-evidence';
import { NODE_CHECKER } from '@keyhold/auditor/node-checker';
import { verifierOf } from '@keyhold/auditor/request-signature';
import { readTrust } from '@keyhold/auditor/trust';
import { possessionStatement } from '@keyhold/protocol/possession';
import { type Signer, signRequest } from '@keyhold/sdk/signing/sign-request';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { shareMarket } from '../testing/shared-market.ts';

const SIGNING = '/v1/projects/market/environments/test/signing';
const URL_OF_API = 'https://api.example/v1/orders?symbol=BTC-USD';

onEachDatabase('a signed request', (createPlace) => {
  const shared = shareMarket(createPlace);

  before(async () => {
    const rfc9421 = {
      dialect: 'rfc9421',
      components: ['@method', '@target-uri'],
      maxAgeSeconds: 60,
      nonce: 'optional',
    };
    const body = { dialects: [rfc9421], replay: 'verifier' };
    const { signing, barrier } = await shared().expect(200, 'PUT', SIGNING, body);
    assert.deepEqual(signing, { ...body, replayReads: 'refuse' });
    assert.equal(barrier.acknowledged, 1);
    assert.deepEqual(await shared().expect(200, 'GET', SIGNING), signing);
    const { credential, secret } = await issue({ kind: 'hmac' });
    const signer = { credential: credential.id, key: { kind: 'hmac', secret } } as const;
    // What was signed before a verifier began to remember is not its to accept.
    await eventually('the verifier guards alone', async () => (await verify(await received(signer))).valid);
  });

  it('is read by no settings that leave open what it does: whoever sets them is told which', async () => {
    const hmac = {
      ...{ dialect: 'hmac', credentialHeader: 'X-Key', signatureHeader: 'X-Sign', timestampHeader: 'X-Time' },
      ...{ hash: 'sha256', secretEncoding: 'utf8', signatureEncoding: 'hex', timestampUnit: 's', windowSeconds: 30 },
    };
    const before = await shared().expect(200, 'GET', SIGNING);
    for (const [unsafe, detail] of [
      [{ dialect: 'rfc9421', components: [] }, /@method/],
      [{ dialect: 'rfc9421', components: ['@method', '@path'] }, /the target/],
      [{ dialect: 'rfc9421', components: ['@method', '@target-uri', '@new'] }, /unknown/],
      [{ ...hmac, signed: ['timestamp', 'path', 'body'] }, /method/],
      [{ ...hmac, signed: ['timestamp', 'method', 'body'] }, /path/],
      [{ ...hmac, signed: ['method', 'target', 'body'] }, /timestamp/],
    ] as const) {
      const refused = await shared().expect(400, 'PUT', SIGNING, { dialects: [{ dialect: 'binance' }, unsafe] });
      assert.deepEqual([refused.code, refused.field], ['INVALID_INPUT', '/dialects/1']);
      assert.match(refused.detail, detail);
    }
    assert.deepEqual(await shared().expect(200, 'GET', SIGNING), before);
  });

  const issue = (credential: object, settings: object = {}) => {
    const { consumer } = shared().market;
    const place = { project: 'market', environment: 'test', consumer, name: 'key' };
    return shared().expect(201, 'POST', '/v1/keys', {
      ...place,
      permissions: ['orders:write'],
      credential,
      ...settings,
    });
  };

  /** Signs as a client would, and hands over what a server behind it received. */
  const received = async (signer: Omit<Signer, 'dialect'> & Partial<Signer>, request: object = {}) => {
    const toSign = { method: 'POST', url: URL_OF_API, body: '{"qty":1}', ...request };
    const { method, url, headers, body } = await signRequest({ dialect: 'rfc9421', ...signer }, toSign);
    const { host, pathname, search } = new URL(url);
    const bytes = Buffer.from(body).toString('base64');
    return { method, target: pathname + search, headers: [['Host', host], ...headers], body: bytes };
  };
  const verify = (request: object, more: object = {}) =>
    shared().installation.verify({ request, environment: 'market/test', permission: 'orders:write', ...more });

  /** A public key with the proof that its private one is there, for a key of the consumer. */
  const possess = (pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }) => {
    const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    const at = new Date().toISOString();
    const { consumer: holder } = shared().market;
    const statement = possessionStatement({ environment: 'market/test', holder, publicKey, at });
    const proof = { at, signature: sign(null, statement, pair.privateKey).toString('base64') };
    return { kind: 'public-key', publicKey, proof };
  };

  it('of a secret is accepted once, and its secret is shown once', async () => {
    const { key, credential, secret, passphrase } = await issue({ kind: 'hmac' });
    assert.equal(Buffer.from(secret, 'base64').length, 48);
    assert.ok(passphrase.length >= 20);
    assert.equal(credential.kind, 'hmac');
    assert.equal(JSON.stringify(await shared().expect(200, 'GET', `/v1/keys/${key.id}`)).includes(secret), false);
    const request = await received({ credential: credential.id, key: { kind: 'hmac', secret } });
    const verdict = await verify(request);
    assert.equal(verdict.code, 'VALID', JSON.stringify(verdict));
    assert.equal(verdict.credentialId, credential.id);
    assert.equal(verdict.dialect, 'rfc9421');
    assert.ok(Math.abs(verdict.clockSkewMs ?? 1e9) < 5_000);
    const { secret: token } = await shared().expect(201, 'POST', '/v1/tokens', { name: 'metrics', scopes: ['read'] });
    const counted = async () => {
      const metrics = new URL('/metrics', shared().installation.verifierUrl);
      const text = await (await fetch(metrics, { headers: { authorization: `Bearer ${token}` } })).text();
      const series = [...text.matchAll(/^keyhold_signed_requests_total\{skew="[^"]+"\} (\d+)$/gm)];
      return [series.length, series.reduce((sum, [, count]) => sum + Number(count), 0)] as const;
    };
    const [bands, before] = await counted();
    assert.equal(
      (await verify(await received({ credential: credential.id, key: { kind: 'hmac', secret } }))).valid,
      true,
    );
    assert.deepEqual(await counted(), [bands, before + 1], 'how far clocks are off is counted');
    assert.equal((await verify(request)).code, 'REPLAYED');
  });

  it('of a public key is accepted, and the private key was never here', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const possessed = possess({ publicKey, privateKey });
    const { credential, secret } = await issue(possessed);
    const shown = [secret, credential.algorithm, credential.publicKey];
    assert.deepEqual(shown, [undefined, 'ed25519', possessed.publicKey]);
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const key = { kind: 'private', algorithm: 'ed25519', key: pem } as const;
    const request = await received({ credential: credential.id, key });
    assert.equal((await verify(request)).code, 'VALID');
    const again = await issue(possessed).catch((error: Error) => error.message);
    assert.match(String(again), /PUBLIC_KEY_TAKEN/);
  });

  it('is refused without the ids of whom it names: wrong secret, body, path, and nobody', async () => {
    const { credential, secret } = await issue({ kind: 'hmac' });
    const signer = { credential: credential.id, key: { kind: 'hmac', secret } } as const;
    const wrong = { ...signer, key: { kind: 'hmac', secret: Buffer.alloc(48, 7).toString('base64') } } as const;
    const good = await received(signer);
    const nobody = credential.id.replace(/.$/, (last: string) => (last === '0' ? '1' : '0'));
    const cases: [string, string, object][] = [
      ['SIGNATURE_INVALID', 'secret', await received(wrong)],
      ['SIGNATURE_INVALID', 'body', { ...good, body: Buffer.from('{"qty":2}').toString('base64') }],
      ['SIGNATURE_INVALID', 'path', { ...good, target: '/v1/withdrawals?symbol=BTC-USD' }],
      ['NOT_FOUND', 'credential', await received({ ...signer, credential: nobody })],
      ['TIMESTAMP_OUT_OF_WINDOW', 'clock', await received({ ...signer, now: () => Date.now() - 3_600_000 })],
    ];
    for (const [code, what, request] of cases) {
      const { valid, keyId, credentialId, consumerId, code: actual } = await verify(request);
      assert.deepEqual(
        [actual, valid, keyId, credentialId, consumerId],
        [code, false, undefined, undefined, undefined],
        what,
      );
    }
    assert.equal((await verify(good)).code, 'VALID', 'none of them spent the nonce');
  });

  it('is dead when its revocation returns, and is rotated with overlap', async () => {
    const { key, credential, secret } = await issue({ kind: 'hmac' });
    // It goes on as it is: nobody asked for a secret that is sent itself.
    const rotated = await shared().expect(201, 'POST', `/v1/keys/${key.id}/rotate`, { overlapSeconds: 600 });
    const old = { credential: credential.id, key: { kind: 'hmac', secret } } as const;
    const next = { credential: rotated.credential.id, key: { kind: 'hmac', secret: rotated.secret } } as const;
    for (const signer of [old, next]) assert.equal((await verify(await received(signer))).code, 'VALID');
    await shared().expect(200, 'POST', `/v1/credentials/${credential.id}/revoke`, { reason: 'superseded' });
    assert.equal((await verify(await received(old))).code, 'REVOKED');
    assert.equal((await verify(await received(next))).code, 'VALID');
    await shared().expect(200, 'POST', `/v1/keys/${key.id}/destroy`);
    assert.equal((await verify(await received(next))).code, 'NOT_FOUND');
  });

  it('becomes another kind by rotation only where that is asked for, and its next public key has to be given', async () => {
    const { key } = await issue(possess(generateKeyPairSync('ed25519')));
    const rotate = (more: object) =>
      shared().installation.call('POST', `/v1/keys/${key.id}/rotate`, { overlapSeconds: 0, ...more });
    const refused = await rotate({});
    assert.deepEqual([refused.status, refused.body.code, refused.body.field], [400, 'INVALID_INPUT', '/credential']);
    const { id } = (await shared().expect(200, 'GET', `/v1/keys/${key.id}`)).credentials[0];
    assert.equal((await rotate({ credential: { kind: 'bearer' } })).body.previous.id, id, 'nothing was ended before');
    // Of several the newest that lives says it; where none lives, the newest.
    assert.equal((await rotate({ credential: { kind: 'hmac' } })).body.credential.kind, 'hmac');
    const next = await rotate({});
    assert.deepEqual([next.body.credential.kind, typeof next.body.passphrase], ['hmac', 'string']);
    await shared().expect(200, 'POST', `/v1/credentials/${next.body.credential.id}/revoke`, { reason: 'superseded' });
    assert.equal((await rotate({})).body.credential.kind, 'hmac');
  });

  it('may carry a bearer key instead, which signs nothing', async () => {
    const { secret } = await shared().market.issue({ permissions: ['orders:write'] });
    const bearer = { method: 'GET', target: '/v1/orders', headers: [['authorization', `Bearer ${secret}`]] };
    assert.equal((await verify(bearer)).code, 'VALID');
    const signed = await received({
      credential: secret,
      key: { kind: 'hmac', secret: Buffer.from(secret).toString('base64') },
    });
    assert.equal((await verify(signed)).code, 'NOT_FOUND');
    assert.equal((await verify({ ...bearer, headers: [] })).code, 'MALFORMED');
  });

  it('leaves evidence where every use is entered: what was signed, for anybody who has the public key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const issued = await issue(possess({ publicKey, privateKey }), { permissions: ['funds:move'] });
    const setting = '/v1/projects/market/environments/test/permissions/funds:move';
    await shared().expect(200, 'PUT', setting, { audit: 'every-use' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const key = { kind: 'private', algorithm: 'ed25519', key: pem } as const;
    const request = await received({ credential: issued.credential.id, key });
    assert.equal((await verify(request, { permission: 'funds:move' })).code, 'VALID');
    assert.equal((await verify(request, { permission: 'funds:move' })).code, 'REPLAYED');
    const path = `/v1/audit/entries?action=key.used&subject=${issued.key.id}`;
    const { items } = await shared().expect(200, 'GET', path);
    assert.equal(items.length, 1, 'what is sent twice is not entered twice');
    const { evidence } = items[0].side;
    assert.equal(evidence.dialect, 'rfc9421');
    const base = Buffer.from(evidence.base, 'base64');
    assert.match(
      base.toString(),
      /"@method": POST\n"@target-uri": https:\/\/api\.example\/v1\/orders\?symbol=BTC-USD\n/,
    );
    assert.equal(cryptoVerify(null, base, publicKey, Buffer.from(evidence.signature, 'base64')), true);
    const { sequence, side, sideSalt } = items[0];
    const { keys } = await shared().expect(200, 'GET', '/v1/audit/log');
    const { receipt } = await shared().expect(200, 'GET', `/v1/audit/entries/${sequence}/receipt`);
    const file = { 'keyhold-evidence': 1, receipt, side, sideSalt };
    const trust = readTrust(NODE_CHECKER.sha256, keys.join('\n'));
    const checked = checkEvidence(NODE_CHECKER, trust, file, { verify: verifierOf(publicKey), base: null });
    assert.ok(typeof checked !== 'string', String(checked));
    assert.deepEqual([checked.receipt.leaf.sequence, checked.dialect], [sequence, 'rfc9421']);
  });
});
