import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bybit } from './bybit.ts';
import { isMalformed } from './dialect.ts';
import { ccxtExchange, ccxtRequest } from './testing/ccxt.ts';
import { flatten, isSignedWith, keyFor, pem } from './testing/keys.ts';
import { testCcxtRefusals, testRefusals } from './testing/refusals.ts';
import { claimOf, NOW_MS, outgoing, received, signed } from './testing/requests.ts';

const SETTINGS = { dialect: 'bybit' } as const;

function read(method: string, target: string, body: string | null = '', more: object = {}) {
  const headers = {
    'X-BAPI-API-KEY': 'XXXXXXXXXX',
    'X-BAPI-TIMESTAMP': '1658384314791',
    'X-BAPI-SIGN': '0'.repeat(64),
    'X-BAPI-RECV-WINDOW': '5000',
    ...more,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined);
  return bybit.read(received(method, target, lines, body), SETTINGS);
}

describe('bybit', () => {
  it("builds the texts that Bybit's guide shows, for GET and for POST", () => {
    // https://bybit-exchange.github.io/docs/v5/guide, "plain text"; its secrets are not shown, so nothing is verified.
    const query = 'category=option&symbol=BTC-29JUL22-25000-C';
    const json = '{"category": "option"}';
    for (const [claim, payload] of [
      [read('GET', `/v5/order/realtime?${query}`), query],
      [read('POST', '/v5/order/create', json), json],
    ] as const) {
      assert.ok(!isMalformed(claim));
      assert.equal(flatten(claim.base).toString(), `1658384314791XXXXXXXXXX5000${payload}`);
      assert.deepEqual(claim.freshness, { signedAt: 1658384314791, after: 1658384313791, until: 1658384319791 });
    }
  });

  it('accepts what ccxt signs, with a secret and with an RSA key', () => {
    for (const algorithm of ['hmac-sha256', 'rsa-v1_5-sha256'] as const) {
      const exchange = ccxtExchange('bybit', { apiKey: 'cred_0123', secret: pem(algorithm) });
      for (const request of [
        ccxtRequest(exchange, 'v5/account/wallet-balance', 'private', 'GET', { accountType: 'UNIFIED', b: 'x/y' }),
        ccxtRequest(exchange, 'v5/user/query-api', 'private', 'GET'),
        ccxtRequest(exchange, 'v5/order/create', 'private', 'POST', { symbol: 'BTCUSDT', note: 'ü' }),
      ]) {
        const claim = claimOf(bybit, SETTINGS, request);
        assert.deepEqual(claim.algorithms, [algorithm]);
        assert.ok(isSignedWith(keyFor(algorithm), claim), request.target);
        assert.equal(claim.freshness?.signedAt, NOW_MS);
      }
    }
  });

  it('verifies what it prepares, query or body, with each algorithm', async () => {
    for (const algorithm of ['hmac-sha256', 'rsa-v1_5-sha256'] as const) {
      for (const draft of [
        outgoing('get', 'https://x.test/v5/order?a=b%2F'),
        outgoing('DELETE', 'https://x.test/v5/order'),
        outgoing('POST', 'https://x.test/v5/order', '{"a":1}'),
        outgoing('PUT', 'https://x.test'),
      ]) {
        const claim = claimOf(bybit, SETTINGS, await signed(bybit, SETTINGS, draft, { algorithm }));
        assert.ok(isSignedWith(keyFor(algorithm), claim));
      }
    }
    const query = outgoing('POST', 'https://x.test/v5/order?a=1', '{}');
    await assert.rejects(signed(bybit, SETTINGS, query, { algorithm: 'hmac-sha256' }), TypeError);
    const ed25519 = outgoing('GET', 'https://x.test/');
    await assert.rejects(signed(bybit, SETTINGS, ed25519, { algorithm: 'ed25519' }), TypeError);
  });

  it('refuses what would not be signed: a query under POST, a body under GET, another method', () => {
    assert.ok(isMalformed(read('POST', '/v5?a=1', '{}')));
    assert.ok(isMalformed(read('GET', '/v5?a=1', '{}')));
    assert.ok(isMalformed(read('DELETE', '/v5', '{}')));
    assert.ok(isMalformed(read('OPTIONS', '/v5')));
    assert.ok(isMalformed(read('get', '/v5')));
    assert.ok(isMalformed(read('GET', '/v5', null)));
  });

  it('refuses what could be moved: from window to query, from query to body', () => {
    assert.ok(isMalformed(read('GET', '/v5?0=1')));
    assert.ok(isMalformed(read('POST', '/v5', '0')));
    assert.ok(isMalformed(read('POST', '/v5', 'a=1')));
    assert.ok(isMalformed(read('GET', '/v5?{"a":1}')));
  });

  it('takes 5 s where no window is named, and none that is no number up to a minute', () => {
    const claim = read('GET', '/v5', '', { 'X-BAPI-RECV-WINDOW': undefined });
    assert.ok(!isMalformed(claim));
    assert.equal(claim.freshness?.until, 1658384319791);
    assert.equal(flatten(claim.base).toString(), '1658384314791XXXXXXXXXX');
    for (const window of ['', '0', '05000', '60001', '1.5', '-1', ' 5000', '5e3']) {
      assert.ok(isMalformed(read('GET', '/v5', '', { 'X-BAPI-RECV-WINDOW': window })), window);
    }
    for (const timestamp of ['', '1658384314', '01658384314791', '16583843147910', '165838431479a', '-658384314791']) {
      assert.ok(isMalformed(read('GET', '/v5', '', { 'X-BAPI-TIMESTAMP': timestamp })), timestamp);
    }
  });

  testRefusals(bybit, SETTINGS);
  testCcxtRefusals(bybit, SETTINGS, 'bybit');
});
