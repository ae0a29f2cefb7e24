import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coinbaseExchange } from './coinbase-exchange.ts';
import { isMalformed } from './dialect.ts';
import { okx } from './okx.ts';
import { ccxtExchange, ccxtRequest } from './testing/ccxt.ts';
import { flatten, isSignedWith, keyFor, pem } from './testing/keys.ts';
import { testCcxtRefusals, testRefusals } from './testing/refusals.ts';
import { claimOf, NOW_MS, outgoing, received, signed } from './testing/requests.ts';

const OKX = { dialect: 'okx' } as const;
const COINBASE = { dialect: 'coinbase-exchange' } as const;
const CREDENTIALS = { apiKey: 'cred_0123', secret: pem('hmac-sha256'), password: 'open sesame' };

describe('okx', () => {
  it('accepts what ccxt signs', () => {
    const exchange = ccxtExchange('okx', CREDENTIALS);
    for (const request of [
      ccxtRequest(exchange, 'account/balance', 'private', 'GET'),
      ccxtRequest(exchange, 'account/balance', 'private', 'GET', { ccy: 'BTC,ETH', b: 'x y' }),
      ccxtRequest(exchange, 'asset/withdrawal', 'private', 'POST', { ccy: 'BTC', toAddr: 'ü' }),
      ccxtRequest(exchange, 'trade/order', 'private', 'POST', { instId: 'BTC-USDT' }),
    ]) {
      const claim = claimOf(okx, OKX, request);
      assert.ok(isSignedWith(keyFor('hmac-sha256'), claim), request.target);
      assert.equal(claim.passphrase, 'open sesame');
      assert.deepEqual(claim.freshness, { signedAt: NOW_MS, after: NOW_MS - 1000, until: NOW_MS + 30_000 });
    }
    const orders = [{ instId: 'BTC-USDT' }, { instId: 'ETH-USDT' }];
    const batch = ccxtExchange('okx', CREDENTIALS).sign('trade/batch-orders', 'private', 'POST', orders);
    const headers = Object.entries(batch.headers ?? {});
    const request = received('POST', '/api/v5/trade/batch-orders', headers, batch.body);
    assert.ok(isSignedWith(keyFor('hmac-sha256'), claimOf(okx, OKX, request)));
  });

  it('takes a time of its one form and no other', () => {
    const read = (time: string) => {
      const sign = Buffer.alloc(32).toString('base64');
      const values = { KEY: 'k', SIGN: sign, TIMESTAMP: time, PASSPHRASE: 'p' };
      const headers = Object.entries(values).map(([name, value]) => [`OK-ACCESS-${name}`, value] as const);
      return okx.read(received('GET', '/', headers), OKX);
    };
    assert.ok(!isMalformed(read('2020-12-08T09:08:57.715Z')));
    for (const time of [
      '2020-12-08T09:08:57Z',
      '2020-12-08T09:08:57.71Z',
      '2020-12-08T09:08:57.7150Z',
      '2020-12-08T09:08:57.715z',
      '2020-12-08 09:08:57.715Z',
      '2020-02-30T09:08:57.715Z',
      '2020-12-08T24:00:00.000Z',
      '2020-12-08T09:08:60.000Z',
      '2020-12-08T09:08:57.715+00:00',
      '1607418537715',
      '1607418537.715',
      '',
    ]) {
      assert.ok(isMalformed(read(time)), time);
    }
  });

  testRefusals(okx, OKX);
  testCcxtRefusals(okx, OKX, 'okx');
});

describe('coinbase-exchange', () => {
  it('accepts what ccxt signs', () => {
    const exchange = ccxtExchange('coinbaseexchange', CREDENTIALS);
    for (const request of [
      ccxtRequest(exchange, 'accounts', 'private', 'GET'),
      ccxtRequest(exchange, 'fills', 'private', 'GET', { product_id: 'BTC-USD', after: '1+2' }),
      ccxtRequest(exchange, 'orders', 'private', 'POST', { size: '1', product_id: 'BTC-USD' }),
      ccxtRequest(exchange, 'orders/{id}', 'private', 'DELETE', { id: 'abc' }),
    ]) {
      const claim = claimOf(coinbaseExchange, COINBASE, request);
      assert.ok(isSignedWith(keyFor('hmac-sha256'), claim), request.target);
      assert.equal(claim.passphrase, 'open sesame');
      assert.equal(claim.freshness?.signedAt, Math.floor(NOW_MS / 1000) * 1000);
    }
  });

  it('takes seconds with decimals, good for 30 s', () => {
    const read = (time: string) => {
      const sign = Buffer.alloc(32).toString('base64');
      const values = { KEY: 'k', SIGN: sign, TIMESTAMP: time, PASSPHRASE: 'p' };
      const headers = Object.entries(values).map(([name, value]) => [`cb-access-${name}`, value] as const);
      return coinbaseExchange.read(received('GET', '/', headers), COINBASE);
    };
    const claim = read('1607418537.5');
    assert.ok(!isMalformed(claim));
    assert.deepEqual(claim.freshness, { signedAt: 1607418537500, after: 1607418536500, until: 1607418567500 });
    for (const time of ['', '1607418537715', '1607418537.', '.5', '01607418537', '1e9', '-607418537']) {
      assert.ok(isMalformed(read(time)), time);
    }
  });

  testRefusals(coinbaseExchange, COINBASE);
  // In ccxt 4.5.84 this class has neither of the better ones for anything that is not a wrong order.
  testCcxtRefusals(coinbaseExchange, COINBASE, 'coinbaseexchange', {
    TIMESTAMP_OUT_OF_WINDOW: 'AuthenticationError',
    REPLAYED: 'AuthenticationError',
    NETWORK_NOT_ALLOWED: 'AuthenticationError',
    INSUFFICIENT_PERMISSIONS: 'AuthenticationError',
    DESTINATION_NOT_ALLOWED: 'AuthenticationError',
    SECOND_FACTOR_REQUIRED: 'AuthenticationError',
  });
});

describe('okx and coinbase-exchange', () => {
  it('verify what they prepare', async () => {
    for (const draft of [
      outgoing('get', 'https://x.test/orders?a=b%2F#c'),
      outgoing('DELETE', 'https://x.test'),
      outgoing('POST', 'https://x.test/orders?a=1', '{"a":1}', [['ok-access-sign', 'an older one']]),
      outgoing('POST', 'https://x.test/orders', '[{"a":1}]'),
    ]) {
      const algorithm = 'hmac-sha256';
      const toOkx = claimOf(okx, OKX, await signed(okx, OKX, draft, { algorithm }));
      assert.ok(isSignedWith(keyFor(algorithm), toOkx));
      const request = await signed(coinbaseExchange, COINBASE, draft, { algorithm });
      assert.ok(isSignedWith(keyFor(algorithm), claimOf(coinbaseExchange, COINBASE, request)));
    }
  });

  it('refuse what could be moved between target and body, or could be another path to somebody else', async () => {
    const algorithm = 'hmac-sha256';
    const good = await signed(okx, OKX, outgoing('DELETE', 'https://x.test/orders?id=7'), { algorithm });
    const base = flatten(claimOf(okx, OKX, good).base).toString();
    assert.ok(base.endsWith('DELETE/orders?id=7'));
    for (const [target, body] of [
      ['/orders', '?id=7'],
      ['/orders?id=', '7'],
      ['/orders?{"id":7}', ''],
      ['/orders?ids[]=7', ''],
      ['/orders?id=7', ' {}'],
      ['/orders#?id=7', ''],
      ['/ord ers', ''],
      ['/örders', ''],
      ['orders', ''],
      ['*', ''],
      ['https://x.test', ''],
      ['https://a@x.test/orders', ''],
      ['', ''],
    ] as const) {
      assert.ok(isMalformed(okx.read({ ...good, target, body: Buffer.from(body) }, OKX)), `${target} | ${body}`);
    }
    const absolute = claimOf(okx, OKX, { ...good, target: 'https://x.test/orders?id=7' });
    assert.equal(flatten(absolute.base).toString(), base);
  });
});
