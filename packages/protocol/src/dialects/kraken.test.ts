import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMalformed } from './dialect.ts';
import { kraken } from './kraken.ts';
import { ccxtExchange, ccxtRequest } from './testing/ccxt.ts';
import { isSignedWith, keyFor, pem } from './testing/keys.ts';
import { testCcxtRefusals, testRefusals } from './testing/refusals.ts';
import { claimOf, NOW_MS, outgoing, received, signed } from './testing/requests.ts';

const SETTINGS = { dialect: 'kraken' } as const;
const PATH = '/0/private/AddOrder';
const SIGN = Buffer.alloc(64).toString('base64');
const FORM = 'application/x-www-form-urlencoded';

/** @see https://docs.kraken.com/exchange/guides/rest/authentication */
const DOCS = {
  secret: 'kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==',
  body: 'nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25',
  sign: '4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==',
};

function read(body: string | null, type = FORM, target = PATH, method = 'POST') {
  const headers = { 'API-Key': 'cred_0123', 'API-Sign': SIGN, 'Content-Type': type };
  return kraken.read(received(method, target, headers, body), SETTINGS);
}

describe('kraken', () => {
  it("accepts the AddOrder example of Kraken's documentation", () => {
    const headers = { 'API-Key': 'key', 'API-Sign': DOCS.sign };
    const claim = claimOf(kraken, SETTINGS, received('POST', PATH, headers, DOCS.body));
    assert.ok(isSignedWith({ secret: DOCS.secret }, claim));
    assert.deepEqual(claim.nonce, { kind: 'rising', value: 1616492376594n });
    assert.equal(claim.freshness, null);
    assert.equal(claim.otp, undefined);
  });

  it('accepts what ccxt signs, as form and as JSON', () => {
    const exchange = ccxtExchange('kraken', { apiKey: 'cred_0123', secret: pem('hmac-sha512') });
    const requests = [
      ccxtRequest(exchange, 'Balance', 'private', 'POST'),
      ccxtRequest(exchange, 'AddOrder', 'private', 'POST', { pair: 'XBTUSD', close: { ordertype: 'limit' } }),
      ccxtRequest(exchange, 'AddOrder', 'private', 'POST', { pair: 'XBTUSD', price: '+5%' }),
      ccxtRequest(exchange, 'AddOrderBatch', 'private', 'POST', {
        orders: [{ volume: 1 }],
        pair: 'XBTUSD',
        otp: '123',
      }),
    ];
    for (const request of requests) {
      const claim = claimOf(kraken, SETTINGS, request);
      assert.ok(isSignedWith(keyFor('hmac-sha512'), claim), request.target);
      assert.deepEqual(claim.nonce, { kind: 'rising', value: BigInt(NOW_MS) });
    }
    assert.equal(claimOf(kraken, SETTINGS, requests[3]!).otp, '123');
  });

  it('verifies what it prepares, as form and as JSON, with nonce and one-time code added where they are missing', async () => {
    const bodies = [
      '',
      'pair=XBTUSD',
      'nonce=5&otp=a%20b',
      '{}',
      '{"pair":"XBTUSD"}',
      '{"nonce":18446744073709551615}',
    ];
    const claims = [];
    for (const body of bodies) {
      const request = outgoing('post', 'https://x.test/0/private/AddOrder', body);
      const sent = await signed(kraken, SETTINGS, request, { algorithm: 'hmac-sha512', otp: '000111' });
      const claim = claimOf(kraken, SETTINGS, sent);
      assert.ok(isSignedWith(keyFor('hmac-sha512'), claim));
      claims.push([claim.nonce?.value, claim.otp]);
    }
    const added = [1616492376594n, '000111'];
    assert.deepEqual(claims, [added, added, [5n, 'a b'], added, added, [18446744073709551615n, '000111']]);
  });

  it('refuses a nonce that is not there exactly once, or not an unsigned number of 64 bits', () => {
    assert.ok(!isMalformed(read('nonce=0')));
    assert.ok(!isMalformed(read('nonce=18446744073709551615')));
    for (const body of [
      '',
      'a=1',
      'nonce=1&nonce=1',
      'nonce=1&%6Eonce=2',
      '%6eonce=1&n%6fnce=1',
      'nonce=18446744073709551616',
      'nonce=-1',
      'nonce=01',
      'nonce=1.0',
      'nonce=%31',
      'nonce=',
      'nonce=1&otp=1&otp=2',
      'nonce=1&otp=%ff',
    ]) {
      assert.ok(isMalformed(read(body)), body);
    }
    for (const body of [
      '{}',
      '[]',
      '[{"nonce":1}]',
      '{"a":{"nonce":1}}',
      '{"nonce":1,"nonce":1}',
      '{"nonce":1,"\\u006eonce":2}',
      '{"nonce":"\\u0031"}',
      '{"nonce":1e3}',
      '{"nonce":null}',
      '{"nonce":1,"otp":2}',
      '{"nonce":1',
    ]) {
      assert.ok(isMalformed(read(body, 'application/json')), body);
    }
    assert.ok(!isMalformed(read('{"a":{"nonce":1,"a":[{"otp":1}]},"b":"}\\",{","nonce":"2"}', 'application/json')));
  });

  it('refuses a body that could be read as a form by one and as JSON by another', () => {
    assert.ok(isMalformed(read('{"nonce":1}')));
    assert.ok(isMalformed(read('nonce=1', 'application/json')));
    assert.ok(isMalformed(read('{"nonce":1,"a":"&nonce=2"}')));
    const both = '{"nonce":1,"memo":"x&address=other&"}';
    assert.ok(!isMalformed(read(both, 'application/json; charset=utf-8')));
    assert.ok(!isMalformed(read(both, 'application/vnd.api+JSON')));
    for (const type of [
      `${FORM}; x=json`,
      'text/plain; application/json',
      'application/jsonp',
      `${FORM}, application/json`,
    ]) {
      assert.ok(isMalformed(read(both, type)), type);
    }
    const headers = [
      ['API-Key', 'cred_0123'],
      ['API-Sign', SIGN],
      ['Content-Type', FORM],
      ['Content-Type', 'application/json'],
    ] as const;
    const twice = { method: 'POST', target: PATH, scheme: 'https', headers, body: Buffer.from(both) } as const;
    assert.ok(isMalformed(kraken.read(twice, SETTINGS)));
  });

  it('refuses what would not be signed: another method, a query', () => {
    assert.ok(isMalformed(read('nonce=1', FORM, PATH, 'PUT')));
    assert.ok(isMalformed(read('nonce=1', FORM, `${PATH}?a=1`)));
    assert.ok(isMalformed(read('nonce=1', FORM, `${PATH}?`)));
    assert.ok(isMalformed(read(null)));
  });

  testRefusals(kraken, SETTINGS);
  testCcxtRefusals(kraken, SETTINGS, 'kraken', { RATE_LIMITED: 'DDoSProtection', QUOTA_EXCEEDED: 'DDoSProtection' });
});
