import assert from 'node:assert/strict';
import { createPublicKey, type JsonWebKey, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { coinbaseCdp } from './coinbase-cdp.ts';
import { isMalformed, type SignatureAlgorithm } from './dialect.ts';
import { ccxtExchange, ccxtRequest } from './testing/ccxt.ts';
import { cdpSecret, flatten, isSignedWith, keyFor, pem } from './testing/keys.ts';
import { testCcxtRefusals, testRefusals } from './testing/refusals.ts';
import { claimOf, NOW_MS, outgoing, received, signed } from './testing/requests.ts';

const SETTINGS = { dialect: 'coinbase-cdp' } as const;
const NBF = 1_785_000_000;
const HEADER = { alg: 'EdDSA', kid: 'cred_0123', typ: 'JWT', nonce: 'f00d' };
const CLAIMS = { sub: 'cred_0123', iss: 'cdp', uris: ['GET api.test/v2/x'], nbf: NBF, exp: NBF + 120 };

interface SdkVectors {
  readonly credential: string;
  readonly publicKeys: Readonly<Record<SignatureAlgorithm, JsonWebKey>>;
  readonly tokens: readonly {
    readonly algorithm: SignatureAlgorithm;
    readonly method: string;
    readonly host: string;
    readonly path: string;
    readonly authorization: string;
  }[];
}

const SDK = JSON.parse(readFileSync(`${import.meta.dirname}/vectors/cdp-sdk.json`, 'utf8')) as SdkVectors;

function encode(part: object | string): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/** A request of a token with these parts, signed by the key of the tests. */
function request(header: object | string, claims: object | string, target = '/v2/x', host = 'api.test') {
  const input = `${encode(header)}.${encode(claims)}`;
  const key = keyFor('ed25519');
  assert.ok('privateKey' in key);
  const signature = sign(null, Buffer.from(input), key.privateKey).toString('base64url');
  return received('GET', target, { Host: host, Authorization: `Bearer ${input}.${signature}` });
}

function isRefused(header: object | string, claims: object | string, target?: string, host?: string): boolean {
  return isMalformed(coinbaseCdp.read(request(header, claims, target, host), SETTINGS));
}

describe('coinbase-cdp', () => {
  it(`accepts the ${SDK.tokens.length} tokens that Coinbase's own SDK made`, () => {
    for (const { algorithm, method, host, path, authorization } of SDK.tokens) {
      const sent = received(method, `${path}?any=1`, { Host: host, Authorization: authorization });
      const claim = claimOf(coinbaseCdp, SETTINGS, sent);
      const key = createPublicKey({ key: SDK.publicKeys[algorithm], format: 'jwk' });
      const hash = algorithm === 'ed25519' ? null : 'sha256';
      const dsaEncoding = claim.ecdsaEncoding ?? 'der';
      assert.ok(verify(hash, flatten(claim.base), { key, dsaEncoding }, claim.signature));
      assert.deepEqual(claim.algorithms, [algorithm]);
      assert.equal(claim.credential, SDK.credential);
      for (const other of [
        { ...sent, method: 'PUT' },
        { ...sent, target: `${path}/` },
        { ...sent, target: path.replace('%2F', '/').replace('evm', 'EVM') },
        { ...sent, headers: [...sent.headers.slice(1), ['Host', 'api.cdp.coinbase.org'] as const] },
      ]) {
        assert.ok(isMalformed(coinbaseCdp.read(other, SETTINGS)));
      }
    }
  });

  it('accepts what ccxt signs with either kind of key', () => {
    const name = 'organizations/1/apiKeys/2';
    for (const [algorithm, secret] of [
      ['ed25519', cdpSecret()],
      ['ecdsa-p256-sha256', pem('ecdsa-p256-sha256')],
    ] as const) {
      const exchange = ccxtExchange('coinbase', { apiKey: name, secret });
      const api = ['v3', 'private'];
      for (const sent of [
        ccxtRequest(exchange, 'brokerage/accounts', api, 'GET', { limit: 5 }),
        ccxtRequest(exchange, 'brokerage/orders', api, 'POST', { side: 'BUY' }),
      ]) {
        const claim = claimOf(coinbaseCdp, SETTINGS, sent);
        assert.ok(isSignedWith(keyFor(algorithm), claim), algorithm);
        assert.equal(claim.credential, name);
        assert.equal(claim.nonce?.kind, 'once');
        const signedAt = Math.floor(NOW_MS / 1000) * 1000;
        assert.deepEqual(claim.freshness, { signedAt, after: signedAt - 1000, until: signedAt + 119_999 });
      }
    }
  });

  it('verifies what it prepares with either kind of key, for the host of the settings where there is one', async () => {
    for (const algorithm of ['ed25519', 'ecdsa-p256-sha256'] as const) {
      for (const settings of [SETTINGS, { ...SETTINGS, host: 'API.elsewhere.test:8443' }]) {
        const draft = outgoing('post', 'https://x.test/v2/orders?a=1', '{}');
        const claim = claimOf(coinbaseCdp, settings, await signed(coinbaseCdp, settings, draft, { algorithm }));
        assert.ok(isSignedWith(keyFor(algorithm), claim));
        assert.deepEqual(claim.nonce, { kind: 'once', value: 'f00dfeed' });
      }
    }
  });

  it('leaves bearer credentials and tokens of other forms to others', () => {
    for (const authorization of [
      'Bearer keyhold_abc',
      'Bearer a.b.c',
      'Bearer a.b',
      `Basic ${encode(HEADER)}.a.b`,
      '',
    ]) {
      assert.ok(!coinbaseCdp.recognises(received('GET', '/', { Authorization: authorization }), SETTINGS));
    }
    assert.ok(coinbaseCdp.recognises(request(HEADER, CLAIMS), SETTINGS));
    assert.ok(!isRefused(HEADER, CLAIMS));
  });

  it('refuses every other algorithm, none and HMAC among them, and what is critical', () => {
    for (const alg of ['none', 'None', 'HS256', 'RS256', 'ES384', 'eddsa', '', 'toString', null, 1]) {
      assert.ok(isRefused({ ...HEADER, alg }, CLAIMS), String(alg));
    }
    assert.ok(isRefused({ ...HEADER, crit: ['exp'] }, CLAIMS));
    assert.ok(isRefused({ ...HEADER, b64: false }, CLAIMS));
    assert.ok(isRefused({ ...HEADER, typ: 'at+jwt' }, CLAIMS));
    assert.ok(!isRefused({ ...HEADER, typ: undefined }, CLAIMS));
  });

  it('refuses a header without nonce or kid, and a subject that is not the key', () => {
    for (const more of [
      { nonce: undefined },
      { nonce: '' },
      { nonce: 5 },
      { kid: undefined },
      { kid: '' },
      { kid: 5 },
    ]) {
      assert.ok(isRefused({ ...HEADER, ...more }, CLAIMS), JSON.stringify(more));
    }
    assert.ok(isRefused(HEADER, { ...CLAIMS, sub: 'cred_0124' }));
    assert.ok(isRefused(HEADER, { ...CLAIMS, sub: undefined }));
  });

  it('refuses another issuer or audience, and a time that is missing or longer than two minutes', () => {
    for (const more of [
      { iss: undefined },
      { iss: 'constructor' },
      { aud: ['retail_rest_api_proxy'] },
      { aud: ['cdp_service', 'else'] },
      { aud: {} },
      { iss: 'coinbase-cloud', aud: 'cdp_service' },
      { nbf: undefined },
      { exp: undefined },
      { exp: NBF + 121 },
      { exp: NBF },
      { nbf: NBF + 0.5 },
      { nbf: String(NBF) },
      { exp: 1e300 },
    ]) {
      assert.ok(isRefused(HEADER, { ...CLAIMS, ...more }), JSON.stringify(more));
    }
    assert.ok(!isRefused(HEADER, { ...CLAIMS, aud: 'cdp_service' }));
    assert.ok(!isRefused(HEADER, { ...CLAIMS, iss: 'coinbase-cloud', aud: ['retail_rest_api_proxy'] }));
  });

  it('refuses a token that is not for this method, host and path alone', () => {
    for (const more of [
      { uris: ['POST api.test/v2/x'] },
      { uris: ['get api.test/v2/x'] },
      { uris: ['GET api.test/v2/x/'] },
      { uris: ['GET api.test/v2/x?a=1'] },
      { uris: ['GET other.test/v2/x'] },
      { uris: ['GET https://api.test/v2/x'] },
      { uris: ['GET api.test/v2/x', 'POST api.test/v2/x'] },
      { uris: [] },
      { uris: undefined },
      { uri: 'GET api.test/v2/x' },
      { uri: 5 },
      { uris: ['GET api.test/v2/x more'] },
      { uris: ['GET'] },
      { uris: [5] },
    ]) {
      assert.ok(isRefused(HEADER, { ...CLAIMS, ...more }), JSON.stringify(more));
    }
    assert.ok(!isRefused(HEADER, { ...CLAIMS, uris: undefined, uri: 'GET api.test/v2/x' }));
    assert.ok(!isRefused(HEADER, CLAIMS, '/v2/x?a=1', 'API.test:443'));
    assert.ok(!isRefused(HEADER, CLAIMS, 'https://api.test/v2/x'));
    assert.ok(isRefused(HEADER, CLAIMS, 'https://other.test/v2/x'));
    assert.ok(isRefused(HEADER, CLAIMS, '/v2/x', 'api.test:80'));
  });

  it('refuses what parsers read differently: names twice, other Base 64, other parts', () => {
    const twice = JSON.stringify(CLAIMS).replace('"sub"', '"sub":"cred_0124","sub"');
    assert.ok(isRefused(HEADER, twice));
    assert.ok(isRefused(HEADER, JSON.stringify(CLAIMS).replace('"sub"', '"\\u0073ub":"cred_0124","sub"')));
    assert.ok(isRefused(JSON.stringify(HEADER).replace('"alg"', '"alg":"none","alg"'), CLAIMS));
    const good = request(HEADER, CLAIMS);
    const token = good.headers[1]?.[1] ?? '';
    for (const other of [
      `${token}=`,
      `${token}.`,
      `${token}.x`,
      token.slice(0, -1),
      `${token}AA`,
      token.replace('.', '. '),
    ]) {
      const headers = [['Host', 'api.test'] as const, ['Authorization', other] as const];
      assert.ok(isMalformed(coinbaseCdp.read({ ...good, headers }, SETTINGS)), other.slice(-20));
    }
    assert.ok(isMalformed(coinbaseCdp.read({ ...good, headers: [...good.headers, ['host', 'api.test']] }, SETTINGS)));
    const two = [...good.headers, ['authorization', token] as const];
    assert.ok(isMalformed(coinbaseCdp.read({ ...good, headers: two }, SETTINGS)));
  });

  testRefusals(coinbaseCdp, SETTINGS);
  testCcxtRefusals(coinbaseCdp, SETTINGS, 'coinbase');
});
