import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { binance } from './binance.ts';
import { isMalformed, type SignatureAlgorithm } from './dialect.ts';
import { ccxtExchange, ccxtRequest } from './testing/ccxt.ts';
import { flatten, isSignedWith, keyFor, pem } from './testing/keys.ts';
import { testCcxtRefusals, testRefusals } from './testing/refusals.ts';
import { claimOf, NOW_MS, outgoing, received, signed } from './testing/requests.ts';

const SETTINGS = { dialect: 'binance' } as const;
const PATH = '/api/v3/order';
const KEY = { 'X-MBX-APIKEY': 'cred_0123' };

/** @see https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md, SIGNED endpoint examples 1 to 3 */
const DOCS = {
  key: 'vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A',
  secret: 'NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j',
  first: 'symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC',
  second: 'quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559',
  whole: 'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71',
  mixed: '0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77',
};

function read(query: string, body = '', method = 'POST') {
  return binance.read(received(method, query === '' ? PATH : `${PATH}?${query}`, KEY, body), SETTINGS);
}

describe('binance', () => {
  it("accepts the three signed examples of Binance's documentation", () => {
    const { key, secret, first, second, whole, mixed } = DOCS;
    const examples = [
      received('POST', PATH, { 'X-MBX-APIKEY': key }, `${first}&${second}&signature=${whole}`),
      received('POST', `${PATH}?${first}&${second}&signature=${whole}`, { 'x-mbx-apikey': key }),
      received('POST', `${PATH}?${first}`, { 'X-MBX-APIKEY': key }, `${second}&signature=${mixed}`),
      received('POST', `${PATH}?${first}&${second}&signature=${whole.toUpperCase()}`, { 'X-MBX-APIKEY': key }),
    ];
    for (const example of examples) {
      const claim = claimOf(binance, SETTINGS, example);
      assert.ok(isSignedWith({ secret }, claim));
      assert.equal(claim.credential, key);
      assert.deepEqual(claim.freshness, {
        signedAt: 1499827319559,
        after: 1499827318559,
        until: 1499827324559,
      });
    }
  });

  it('accepts what ccxt signs, in the query and in the body, with each kind of key', () => {
    const algorithms: SignatureAlgorithm[] = ['hmac-sha256', 'ed25519', 'rsa-v1_5-sha256'];
    for (const algorithm of algorithms) {
      const exchange = ccxtExchange('binance', { apiKey: 'cred_0123', secret: pem(algorithm) });
      const requests = [
        ccxtRequest(exchange, 'account', 'private', 'GET'),
        ccxtRequest(exchange, 'order', 'private', 'POST', { symbol: 'LTCBTC', note: 'a b/ü' }),
        ccxtRequest(exchange, 'order', 'private', 'DELETE', { orderId: 7, recvWindow: 60000 }),
        ccxtRequest(exchange, 'capital/withdraw/apply', 'sapi', 'POST', { coin: 'BTC', amount: '1' }),
        ccxtRequest(exchange, 'asset/dust', 'sapi', 'POST', { asset: ['BTC', 'ETH'] }),
      ];
      for (const request of requests) {
        const claim = claimOf(binance, SETTINGS, request);
        assert.deepEqual(claim.algorithms, [algorithm]);
        assert.ok(isSignedWith(keyFor(algorithm), claim), `${algorithm} ${request.target}`);
        assert.equal(claim.credential, 'cred_0123');
        assert.equal(claim.freshness?.signedAt, NOW_MS);
      }
    }
  });

  it('verifies what it prepares, in the query and in the form, with each algorithm', async () => {
    const drafts = [
      outgoing('get', 'https://x.test/a'),
      outgoing('GET', 'https://x.test/a?b=%2f#c'),
      outgoing('POST', 'https://x.test/a', 'symbol=LTCBTC'),
      outgoing('POST', 'https://x.test/a?b=c', 'symbol=LTCBTC'),
      outgoing('POST', 'https://x.test/a?b=c'),
      outgoing('DELETE', 'https://x.test/a', 'symbol=LTCBTC'),
    ];
    for (const algorithm of ['hmac-sha256', 'ed25519', 'rsa-v1_5-sha256'] as const) {
      for (const draft of drafts) {
        const claim = claimOf(binance, SETTINGS, await signed(binance, SETTINGS, draft, { algorithm }));
        assert.ok(isSignedWith(keyFor(algorithm), claim));
        assert.equal(claim.freshness?.signedAt, NOW_MS);
      }
    }
    const twice = outgoing('GET', 'https://x.test/a?timestamp=1');
    await assert.rejects(signed(binance, SETTINGS, twice, { algorithm: 'ed25519' }), TypeError);
  });

  it('reads microseconds, and windows with decimals up to a minute', () => {
    const at = (timestamp: string, window?: string) => {
      const more = window === undefined ? '' : `&recvWindow=${window}`;
      const claim = read(`timestamp=${timestamp}${more}&signature=${'0'.repeat(64)}`);
      return isMalformed(claim) ? null : claim.freshness;
    };
    assert.deepEqual(at('1499827319559'), { signedAt: 1499827319559, after: 1499827318559, until: 1499827324559 });
    assert.equal(at('1499827319559500')?.signedAt, 1499827319559.5);
    assert.equal(at('1499827319559', '0.125')?.until, 1499827319559.125);
    assert.equal(at('1499827319559', '60000')?.until, 1499827379559);
    for (const window of ['60000.1', '60001', '1.2345', '-1', '1e3', '', ' 5', '+5', '0x10']) {
      assert.equal(at('1499827319559', window), null, window);
    }
    for (const timestamp of ['', '-1', '1.5', '01', '14998273195590001', '%31499827319559']) {
      assert.equal(at(timestamp), null, timestamp);
    }
  });

  it('refuses a signature that is not the last parameter, and any of its own parameters twice', () => {
    const time = 'timestamp=1499827319559';
    const signature = `signature=${'0'.repeat(64)}`;
    assert.ok(!isMalformed(read(`${time}&${signature}`)));
    assert.ok(!isMalformed(read(signature, time)));
    for (const [query, body] of [
      [`${signature}&${time}`],
      [`a=1&${signature}`, `${time}&${signature}`],
      [`${time}&${signature}&${signature}`],
      [`${time}&%73ignature=1&${signature}`],
      [`${time}&${time}&${signature}`],
      [`${time}&time%73tamp=1&${signature}`],
      [time, `${time}&${signature}`],
      [`recvWindow=1&recv%57indow=2&${time}&${signature}`],
      [`${time}`],
      [signature],
      [`&${time}&${signature}`],
      [`a&${time}&${signature}`],
      [`a=1=2&${time}&${signature}`],
      [`%zz=1&${time}&${signature}`],
      [`${time}&${signature}&`],
    ] as const) {
      assert.ok(isMalformed(read(query, body)), `${query} | ${body}`);
    }
  });

  it('refuses what a server behind could read in two ways: a body under GET, a name in query and body', () => {
    const tail = `timestamp=1499827319559&signature=${'0'.repeat(64)}`;
    assert.ok(isMalformed(read('', tail, 'GET')));
    assert.ok(isMalformed(read(tail, 'a=1', 'HEAD')));
    assert.ok(isMalformed(read('price=1', `price=2&${tail}`)));
    assert.ok(isMalformed(read('price=1', `pric%65=2&${tail}`)));
    assert.ok(!isMalformed(read('price=1', `quantity=2&${tail}`)));
  });

  it('has no second way of dividing one signed text between query and body', () => {
    const value = fc.string({ unit: fc.constantFrom('a', 'B', '1', '.', 'z'), maxLength: 5 });
    const name = fc.string({ unit: fc.constantFrom('a', 'B', 'c'), minLength: 1, maxLength: 4 });
    const pairs = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 3 });
    const one = fc.tuple(pairs, pairs, fc.boolean()).map(([query, form, isMixed]) => {
      const text = (list: [string, string][]) => list.map(([name, value]) => `${name}=${value}`).join('&');
      return `${text(query)}${isMixed ? '' : '&'}${text(form)}&timestamp=1499827319559`;
    });
    const signature = `signature=${'0'.repeat(64)}`;
    let mixed = 0;
    fc.assert(
      fc.property(one, (text) => {
        const accepted: number[] = [];
        for (let at = 1; at < text.length; at++) {
          const claim = read(text.slice(0, at), `${text.slice(at)}&${signature}`);
          if (isMalformed(claim)) continue;
          assert.equal(flatten(claim.base).toString(), text);
          accepted.push(at);
        }
        assert.ok(accepted.length <= 1, `${text} divides at ${accepted}`);
        if (accepted.length === 0) return;
        mixed++;
        assert.ok(isMalformed(read(`${text}&${signature}`)), `${text} is good undivided, too`);
      }),
      { numRuns: 2000 },
    );
    assert.ok(mixed > 100, `only ${mixed} texts were divided at all`);
  });

  testRefusals(binance, SETTINGS);
  // Whatever stands in the body, ccxt takes 429 of Binance for this.
  testCcxtRefusals(binance, SETTINGS, 'binance', { RATE_LIMITED: 'DDoSProtection', QUOTA_EXCEEDED: 'DDoSProtection' });
});
