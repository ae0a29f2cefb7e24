import fc from 'fast-check';
import type { Dialect, OutgoingRequest, SignatureAlgorithm } from '../dialect.ts';
import { DIALECTS } from '../dialects.ts';
import type { DialectSettings, HmacSettings } from '../settings.ts';
import { outgoing } from './requests.ts';

/** A dialect, and requests that clients make in it. */
export interface Sample {
  readonly name: string;
  readonly dialect: Dialect<never>;
  readonly settings: DialectSettings;
  readonly algorithm: SignatureAlgorithm;
  /** Header fields that it reads, and that a request of it has. */
  readonly fields: readonly string[];
  readonly drafts: fc.Arbitrary<OutgoingRequest>;
}

const PATHS = fc.constantFrom('/', '/orders', '/v1/orders/a%2Fb', '/0/private/AddOrder', '//x/../y');
const PARAMETERS = fc
  .array(
    fc.tuple(fc.constantFrom('a', 'symbol', 'price', 'b%5B%5D'), fc.constantFrom('', '1', '10', 'x', 'B+c', '%2F')),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map((list) => list.map(([name, value]) => `${name}=${value}`).join('&'));
const JSON_BODIES = fc.constantFrom('{"a":1}', '{"symbol":"x","price":"10"}', '{}');
const BATCHES = fc.constant('[{"a":1},{"a":2}]');
const QUERIES = fc.option(PARAMETERS, { nil: '' });

function draft(methods: readonly string[], query: fc.Arbitrary<string>, body: fc.Arbitrary<string>) {
  return fc.tuple(fc.constantFrom(...methods), PATHS, query, body).map(([method, path, query, body]) => {
    return outgoing(method, `https://x.test${path}${query === '' ? '' : `?${query}`}`, body);
  });
}

const NONE = fc.constant('');
const READS = draft(['GET', 'DELETE'], QUERIES, NONE);
const WRITES = draft(['POST', 'PUT', 'DELETE'], QUERIES, fc.oneof(JSON_BODIES, BATCHES, NONE));
const JSON_TYPE = [['Content-Type', 'application/json']] as const;

const HMAC: HmacSettings = {
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

function sample(
  settings: DialectSettings,
  algorithm: SignatureAlgorithm,
  fields: readonly string[],
  drafts: fc.Arbitrary<OutgoingRequest>,
  name: string = settings.dialect,
): Sample {
  const dialect = DIALECTS[settings.dialect as keyof typeof DIALECTS] as Dialect<never>;
  return { name, dialect, settings, algorithm, fields, drafts };
}

function access(prefix: string): string[] {
  return ['KEY', 'SIGN', 'TIMESTAMP', 'PASSPHRASE'].map((name) => `${prefix}-${name}`);
}

export const SAMPLES: readonly Sample[] = [
  sample(
    { dialect: 'binance' },
    'hmac-sha256',
    ['X-MBX-APIKEY'],
    fc.oneof(READS, draft(['POST', 'PUT', 'DELETE'], NONE, PARAMETERS)),
  ),
  sample(
    { dialect: 'bybit' },
    'hmac-sha256',
    ['X-BAPI-API-KEY', 'X-BAPI-TIMESTAMP', 'X-BAPI-SIGN', 'X-BAPI-RECV-WINDOW'],
    fc.oneof(READS, draft(['POST', 'PUT'], NONE, fc.oneof(JSON_BODIES, BATCHES, NONE))),
  ),
  sample({ dialect: 'okx' }, 'hmac-sha256', access('OK-ACCESS'), fc.oneof(READS, WRITES)),
  sample(
    { dialect: 'kraken' },
    'hmac-sha512',
    ['API-Key', 'API-Sign'],
    fc.oneof(
      draft(['POST'], NONE, fc.oneof(NONE, PARAMETERS)),
      draft(['POST'], NONE, JSON_BODIES).map((request) => ({ ...request, headers: JSON_TYPE })),
    ),
  ),
  sample({ dialect: 'coinbase-exchange' }, 'hmac-sha256', access('CB-ACCESS'), fc.oneof(READS, WRITES)),
  sample({ dialect: 'coinbase-cdp' }, 'ed25519', ['Authorization', 'Host'], fc.oneof(READS, WRITES)),
  sample(HMAC, 'hmac-sha256', ['X-Key', 'X-Time', 'X-Signature'], fc.oneof(READS, WRITES)),
  sample(
    {
      ...HMAC,
      nonceHeader: 'X-Nonce',
      signed: ['nonce', { text: '\n' }, 'method', 'path', { text: '?' }, 'query', { text: '\n' }, 'body', 'timestamp'],
      timestampUnit: 'rfc3339',
    },
    'hmac-sha256',
    ['X-Key', 'X-Time', 'X-Signature', 'X-Nonce'],
    fc.oneof(READS, WRITES),
    'hmac, in other parts',
  ),
];
