import { HMAC, JSON_TYPE, request, signer, type Who } from './vector-cases.ts';
import type { VectorCase, VectorRequest } from './vector-format.ts';

const OKX = { dialect: { dialect: 'okx' }, passphrase: 'open sesame' } as const satisfies Who;
const BYBIT = { dialect: { dialect: 'bybit' } } as const satisfies Who;
const BINANCE = { dialect: { dialect: 'binance' } } as const satisfies Who;
const KRAKEN = { dialect: { dialect: 'kraken' } } as const satisfies Who;
const RFC9421 = { dialect: { dialect: 'rfc9421' } } as const satisfies Who;
const CDP = { dialect: { dialect: 'coinbase-cdp' } } as const satisfies Who;
const ed25519 = { key: 'test-key-ed25519', algorithm: 'ed25519' } as const;
const rsa = { key: 'test-key-rsa', algorithm: 'rsa-v1_5-sha256' } as const;

const GET = request('GET', '/v1/orders?a=1');
const POST = request('POST', '/v1/orders', '{}', [JSON_TYPE]);
const FORM = request('POST', '/v1/orders', 'a=1');

/** Requests that could be read in two ways, or of which something would not be signed: no side signs them. */
const REFUSED: readonly [name: string, who: Who, request: VectorRequest][] = [
  ['rfc9421: signed already', RFC9421, request('GET', '/', '', [['Signature-Input', 'sig1=()']])],
  ['rfc9421: user information', RFC9421, request('GET', 'https://a:b@api.example/')],
  ['rfc9421: another scheme', RFC9421, request('GET', 'ftp://api.example/')],
  ['rfc9421: a field that is missing', { dialect: { dialect: 'rfc9421', components: ['x-missing'] } }, GET],
  ['rfc9421: a derived component of responses', { dialect: { dialect: 'rfc9421', components: ['@status'] } }, GET],
  ['rfc9421: an unknown derived component', { dialect: { dialect: 'rfc9421', components: ['@new'] } }, GET],
  ['rfc9421: a component twice', { dialect: { dialect: 'rfc9421', components: ['@method', '@method'] } }, GET],
  [
    'rfc9421: a parameter twice',
    { dialect: { dialect: 'rfc9421', components: ['@query-param;name="a"'] } },
    request('GET', '/?a=1&a=2'),
  ],
  [
    'rfc9421: a field that is not ASCII',
    { dialect: { dialect: 'rfc9421', components: ['x-a'] } },
    request('GET', '/', '', [['X-A', 'é']]),
  ],
  [
    'rfc9421: sf of an unknown field',
    { dialect: { dialect: 'rfc9421', components: ['x-a;sf'] } },
    request('GET', '/', '', [['X-A', 'a']]),
  ],
  ['binance: GET with a body', BINANCE, request('GET', '/v1/orders?a=1', 'b=2')],
  ['binance: a timestamp of its own', BINANCE, request('GET', '/v1/orders?timestamp=1')],
  ['binance: an encoded timestamp of its own', BINANCE, request('GET', '/v1/orders?%74imestamp=1')],
  ['binance: a signature of its own', BINANCE, request('GET', '/v1/orders?signature=1')],
  ['binance: a window that is too long', BINANCE, request('GET', '/v1/orders?recvWindow=60001')],
  ['binance: no parameters', BINANCE, request('GET', '/v1/orders?a')],
  ['binance: JSON', BINANCE, POST],
  ['binance: a name in query and body', BINANCE, request('POST', '/v1/orders?a=1', 'a=2')],
  ['binance: query and body that run together', BINANCE, request('POST', '/v1/orders?a=1', 'B=2')],
  ['binance: ECDSA', { ...BINANCE, key: 'test-key-ecc-p256', algorithm: 'ecdsa-p256-sha256' }, GET],
  ['bybit: POST with a query', BYBIT, request('POST', '/v1/orders?a=1', '{}')],
  ['bybit: GET with a body', BYBIT, request('GET', '/v1/orders', '{}')],
  ['bybit: a form', BYBIT, FORM],
  ['bybit: a query that begins with a digit', BYBIT, request('GET', '/v1/orders?0=1')],
  ['bybit: another method', BYBIT, request('OPTIONS', '/v1/orders')],
  ['bybit: Ed25519', { ...BYBIT, ...ed25519 }, GET],
  ['okx: no passphrase', { dialect: OKX.dialect }, GET],
  ['okx: a form', OKX, FORM],
  ['okx: a bracket in the target', OKX, request('GET', '/v1/orders?a[]=1')],
  ['okx: a space in the target', OKX, request('GET', '/v1/orders?a=b c')],
  ['okx: unicode in the target', OKX, request('GET', '/v1/orders?a=é')],
  ['okx: a credential with a space', { ...OKX, credential: 'a b' }, GET],
  ['okx: a private key', { ...OKX, ...ed25519 }, GET],
  ['kraken: GET', KRAKEN, request('GET', '/0/private/Balance')],
  ['kraken: a query', KRAKEN, request('POST', '/0/private/Balance?a=1')],
  ['kraken: broken JSON', KRAKEN, request('POST', '/0/private/Balance', '{"a":1')],
  ['kraken: a name twice in JSON', KRAKEN, request('POST', '/0/private/Balance', '{"a":1,"a":2}')],
  ['kraken: a nonce that is too high', KRAKEN, request('POST', '/0/private/Balance', 'nonce=18446744073709551616')],
  ['kraken: a nonce that is no number', KRAKEN, request('POST', '/0/private/Balance', '{"nonce":"1e3"}')],
  ['kraken: a nonce twice', KRAKEN, request('POST', '/0/private/Balance', 'nonce=1&%6eonce=2')],
  ['kraken: a body that is no form', KRAKEN, request('POST', '/0/private/Balance', 'hello')],
  ['kraken: a body that is not UTF-8', KRAKEN, request('POST', '/0/private/Balance', { base64: 'YT3/' })],
  ['coinbase-cdp: a secret', CDP, GET],
  ['coinbase-cdp: RSA', { ...CDP, ...rsa }, GET],
  ['coinbase-cdp: another Host', { ...CDP, ...ed25519 }, request('GET', '/', '', [['Host', 'other.example']])],
  ['hmac: a template without the method', { dialect: { ...HMAC, signed: ['timestamp', 'target', 'body'] } }, GET],
  ['hmac: a template without the path', { dialect: { ...HMAC, signed: ['timestamp', 'method', 'query'] } }, GET],
  ['hmac: a template without the time', { dialect: { ...HMAC, signed: ['method', 'target', 'body'] } }, GET],
  ['hmac: a nonce that is not signed', { dialect: { ...HMAC, nonceHeader: 'X-Nonce' } }, GET],
  ['hmac: two headers that are one', { dialect: { ...HMAC, timestampHeader: 'x-key' } }, GET],
  [
    'hmac: a body that is signed twice',
    { dialect: { ...HMAC, signed: ['timestamp', 'method', 'target', 'body', 'body-sha256-hex'] } },
    GET,
  ],
  [
    'hmac: a digest that runs into the target',
    { dialect: { ...HMAC, signed: ['timestamp', 'method', 'target', 'body-sha256-hex'] } },
    GET,
  ],
  [
    'hmac: a separator that a query may have',
    { dialect: { ...HMAC, signed: ['timestamp', 'method', 'target', { text: '|' }, 'body-sha256-hex'] } },
    GET,
  ],
  ['hmac: a body before a path', { dialect: { ...HMAC, signed: ['timestamp', 'method', 'body', 'path'] } }, GET],
  ['hmac: a private key', { dialect: HMAC, ...ed25519 }, GET],
  ['hmac: a form behind a target', { dialect: HMAC }, FORM],
  ['hmac: a body that is not signed', { dialect: { ...HMAC, signed: ['timestamp', 'method', 'target'] } }, POST],
  ['hmac: a query that is not signed', { dialect: { ...HMAC, signed: ['timestamp', 'method', 'path'] } }, GET],
  [
    'hmac: an empty query',
    { dialect: { ...HMAC, signed: ['timestamp', 'method', 'path', { text: '?' }, 'query'] } },
    request('GET', '/v1/orders?'),
  ],
];

export const REFUSALS: readonly VectorCase[] = REFUSED.map(([name, who, request]) => ({
  name,
  signer: signer(who),
  request,
}));
