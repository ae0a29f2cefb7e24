import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import type { DialectSettings, HmacSettings } from '@keyhold/protocol/dialects/settings';
import type { VectorBody, VectorCase, VectorRequest, VectorSigner } from './vector-format.ts';

const NOW_MS = 1_785_000_000_123;
const NONCE = { text: 'f00dfeed00112233445566778899aabb', rising: '1785000000123000' };

export type Who = Partial<VectorSigner> & Pick<VectorSigner, 'dialect'>;

/** A signer with the shared secret, where nothing else is said. */
export function signer(who: Who): VectorSigner {
  return { credential: 'cred_0123456789', key: 'test-shared-secret', nowMs: NOW_MS, nonce: NONCE, ...who };
}

export function request(
  method: string,
  url: string,
  body: VectorBody = '',
  headers: readonly FieldLine[] = [],
): VectorRequest {
  return { method, url: url.startsWith('/') ? `https://api.example${url}` : url, headers, body };
}

export const JSON_TYPE: FieldLine = ['Content-Type', 'application/json'];

/** Requests without a body. */
export const READS: Readonly<Record<string, VectorRequest>> = {
  'a query': request('GET', '/v1/orders?symbol=BTC-USD&limit=10'),
  'names twice': request('GET', '/v1/orders?id=2&id=1&id=2&empty='),
  'encoded slashes': request('GET', '/v1/orders/a%2Fb%2fc?path=%2F&lower=%2f&plus=a+b&space=%20'),
  'encoded unicode': request('GET', '/v1/%E6%9D%B1%E4%BA%AC?name=Gr%C3%BC%C3%9Fe'),
  'no query': request('get', '/v1/time'),
  'no path': request('GET', 'https://api.example'),
  'a port and a fragment': request('DELETE', 'https://API.example:8443/v1/orders?id=7#there'),
};

/** Requests with one. */
export const WRITES: Readonly<Record<string, VectorRequest>> = {
  JSON: request('POST', '/v1/orders', '{"symbol":"BTC-USD","qty":"1.50"}', [JSON_TYPE]),
  'JSON with unicode': request('post', '/v1/notes', '{ "note": "Grüße aus 東京 🚀 \\u00e9" }', [JSON_TYPE]),
  'an empty body': request('POST', '/v1/orders/cancel-all'),
};

export const HMAC: HmacSettings = {
  dialect: 'hmac',
  credentialHeader: 'X-Key',
  signatureHeader: 'X-Signature',
  timestampHeader: 'X-Time',
  signed: ['timestamp', 'method', 'target', 'body'],
  hash: 'sha256',
  secretEncoding: 'utf8',
  signatureEncoding: 'hex',
  timestampUnit: 'ms',
  windowSeconds: 30,
};

export const OTHER_HMAC: HmacSettings = {
  ...HMAC,
  nonceHeader: 'X-Nonce',
  signaturePrefix: 'v1=',
  signed: [
    ...([
      'credential',
      { text: '\n' },
      'nonce',
      { text: '\n' },
      'method',
      { text: ' ' },
      'path',
      { text: '?' },
    ] as const),
    ...(['query', { text: '\n' }, 'body-sha256-hex', 'timestamp'] as const),
  ],
  hash: 'sha512',
  secretEncoding: 'base64',
  signatureEncoding: 'base64url',
  timestampUnit: 'rfc3339',
};

function each(prefix: string, who: Who, requests: Readonly<Record<string, VectorRequest>>): VectorCase[] {
  return Object.entries(requests).map(([name, request]) => ({
    name: `${prefix}: ${name}`,
    signer: signer(who),
    request,
  }));
}

const RFC9421_REQUESTS = {
  ...READS,
  ...WRITES,
  form: request('POST', '/v1/orders', 'symbol=BTC&side=BUY&note=a+b%2Fc', [
    ['content-type', 'application/x-www-form-urlencoded'],
  ]),
  'bytes that are no text': request('PUT', '/v1/blob?part=1', { base64: '/wD+gA==' }),
  'what a URL parser changes': request('GET', 'HTTPS://Api.Example:443/a/./b/%2e%2E/c d/é"<>`{}|^?q=é "<>\'`{}|^#x'),
  'a mark with nothing after it': request('GET', '/v1/orders?'),
  'an address as host': request('GET', 'http://[::1]:8080/v1/time'),
  'a digest of before': request('POST', '/v1/orders', '{}', [['Content-Digest', 'sha-256=:AAAA:'], JSON_TYPE]),
};

const COVERING = {
  dialect: 'rfc9421',
  components: [
    ...['@method', '@scheme', '@authority', '@request-target', '@path', '@query', '@target-uri'],
    ...['@query-param;name="id"', '@query-param;name="%C3%A9t%C3%A9"', 'Content-Type', 'x-many', 'x-raw;bs'],
    ...['content-digest;key="sha-512"', 'priority;sf', 'priority;key="u"', '"x-dict";key="a"'],
  ],
  tag: 'orders "v2" \\',
} as const;

const COVERED = request('POST', '/v1/orders?id=a%2Fb+c&%c3%a9t%C3%A9=%7e~*', '{"qty":1}', [
  ['Content-Type', '  application/json '],
  ['X-Many', 'one'],
  ['x-many', ' two, three'],
  ['X-Raw', 'a,  b'],
  ['X-Raw', 'c'],
  ['Priority', 'u=1,   i;q=1.50, x=( "a"   tok;p )'],
  ['X-Dict', 'a=:AAEC:;w, b=?0'],
]);

const rsa = { key: 'test-key-rsa', algorithm: 'rsa-v1_5-sha256' } as const;
const ed25519 = { key: 'test-key-ed25519', algorithm: 'ed25519' } as const;
const p256 = { key: 'test-key-ecc-p256', algorithm: 'ecdsa-p256-sha256' } as const;
const pss = { key: 'test-key-rsa', algorithm: 'rsa-pss-sha512' } as const;
const RFC9421 = { dialect: { dialect: 'rfc9421' } } as const satisfies Who;
const FEW = { 'a query': READS['a query'] as VectorRequest, JSON: WRITES['JSON'] as VectorRequest };

const RFC9421_CASES = [
  ...each('rfc9421', RFC9421, RFC9421_REQUESTS),
  ...each('rfc9421 with Ed25519', { ...RFC9421, ...ed25519 }, FEW),
  ...each('rfc9421 with ECDSA P-256', { ...RFC9421, ...p256 }, FEW),
  ...each('rfc9421 with RSA-PSS', { ...RFC9421, ...pss }, FEW),
  ...each('rfc9421 with RSA PKCS #1 v1.5', { ...RFC9421, ...rsa }, FEW),
  ...each('rfc9421', { dialect: COVERING as unknown as DialectSettings }, { 'many components': COVERED }),
];

const FORMS = {
  form: request('POST', '/v1/orders', 'symbol=BTC&side=BUY&note=a+b%2Fc%C3%A9'),
  'form and query': request('POST', '/v1/orders?symbol=BTC&timeInForce=GTC', 'quantity=1&price=9000'),
};
const BINANCE = { dialect: { dialect: 'binance' } } as const satisfies Who;
const WINDOW = request('GET', '/v1/orders?recvWindow=10000&symbol=BTC');

const BINANCE_CASES = [
  ...each('binance', BINANCE, { ...READS, ...FORMS, 'an empty body': WRITES['an empty body'] as VectorRequest }),
  ...each('binance', BINANCE, { 'a window': WINDOW, 'small letters': request('delete', '/v1/orders?id=7') }),
  ...each('binance with Ed25519', { ...BINANCE, ...ed25519 }, { 'a query': WINDOW, ...FORMS }),
  ...each('binance with RSA', { ...BINANCE, ...rsa }, { 'a query': WINDOW, ...FORMS }),
];

const KRAKEN_REQUESTS = {
  form: request('POST', '/0/private/AddOrder', 'pair=XBTUSD&volume=1.25&note=a+b%2Fc%C3%A9'),
  JSON: request('POST', '/0/private/AddOrder', '{"pair":"XBTUSD","note":"Grüße 🚀"}'),
  'JSON that is empty': request('POST', '/0/private/Balance', '{ }', [['content-type', 'text/plain']]),
  'an empty body': request('POST', '/0/private/Balance'),
  'a nonce of its own': request('POST', '/0/private/Balance', 'nonce=18446744073709551615&asset=XBT'),
  'a nonce of its own in JSON': request('POST', '/0/private/Balance', '{"asset":"XBT","nonce": 7}'),
  'a nonce of its own as text': request('POST', '/0/private/Balance', '{"a":{"nonce":[1]},"nonce":"7"}'),
};
const KRAKEN = { dialect: { dialect: 'kraken' } } as const satisfies Who;

const EXCHANGES = [
  ...each('bybit', { dialect: { dialect: 'bybit' } }, { ...READS, ...WRITES }),
  ...each('bybit with RSA', { dialect: { dialect: 'bybit' }, ...rsa }, FEW),
  ...each('okx', { dialect: { dialect: 'okx' }, passphrase: 'open sesame' }, { ...READS, ...WRITES }),
  ...each('kraken', KRAKEN, KRAKEN_REQUESTS),
  ...each('kraken with a one-time code', { ...KRAKEN, otp: '12 3é"' }, KRAKEN_REQUESTS),
  ...each(
    'coinbase-exchange',
    { dialect: { dialect: 'coinbase-exchange' }, passphrase: '~!' },
    { ...READS, ...WRITES },
  ),
  ...each(
    'coinbase-exchange at a full second',
    { dialect: { dialect: 'coinbase-exchange' }, passphrase: '~!', nowMs: 1_785_000_000_000 },
    FEW,
  ),
  ...each(
    'coinbase-exchange at a tenth',
    { dialect: { dialect: 'coinbase-exchange' }, passphrase: '~!', nowMs: 1_785_000_000_100 },
    FEW,
  ),
  ...each('coinbase-cdp with Ed25519', { dialect: { dialect: 'coinbase-cdp' }, ...ed25519 }, { ...READS, ...WRITES }),
  ...each('coinbase-cdp with ECDSA P-256', { dialect: { dialect: 'coinbase-cdp', host: 'api.cdp' }, ...p256 }, FEW),
];

export const CASES: readonly VectorCase[] = [
  ...RFC9421_CASES,
  ...BINANCE_CASES,
  ...EXCHANGES,
  ...each('hmac', { dialect: HMAC }, { ...READS, ...WRITES }),
  ...each('hmac in seconds', { dialect: { ...HMAC, timestampUnit: 's', signatureEncoding: 'base64' } }, FEW),
  ...each('hmac in other parts', { dialect: OTHER_HMAC }, { ...READS, ...WRITES, form: FORMS.form }),
];
