import type { Operation } from '@keyhold/protocol/operation';
import fc from 'fast-check';
import type { Attack, Headers, Valid } from './attacks.ts';
import { toJsonText } from './attacks-values.ts';
import type { AttackedWorld } from './attacks-world.ts';

export function targetOf({ path }: Operation, params: Valid['params'], query: Valid['query']): string {
  const filled = path.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(params[name] ?? ''));
  const fields = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return fields.length === 0 ? filled : `${filled}?${fields.join('&')}`;
}

/** Path segments as they stand on the wire. */
const BAD_SEGMENTS = [
  '%',
  '%2',
  '%zz',
  '%ff',
  '%c0%80',
  '%ed%a0%80',
  '%00',
  '%0a',
  '%2e%2e',
  '..',
  '.',
  '%2f',
  '%5c',
  '%25',
  '__proto__',
  'constructor',
  'key_',
  '%F0%9F%82%A1',
  "'",
  '%27%20or%201%3D1',
  '%22',
  '*',
  ':id',
  '{id}',
  'a'.repeat(400),
  'a'.repeat(501),
  'a'.repeat(3000),
  `%${'25'.repeat(400)}`,
  'key_00000000-0000-7000-8000-000000000000',
  ';a=b',
  '%3Fx',
  'NULL',
  '-1',
  '1e400',
] as const;

/** Query strings that no list takes. */
const BAD_QUERIES = [
  'x=1',
  'limit=0',
  'limit=-1',
  'limit=201',
  'limit=1e400',
  'limit=abc',
  `limit=${'9'.repeat(5000)}`,
  'limit=NaN',
  'limit=',
  'limit=Infinity',
  'limit=1&limit=2',
  ...['true', '1.5', '9.99', '0x10', '1n', '1e1', '%201', '%2B1', '1_0'].map((odd) => `limit=${odd}`),
  'cursor=',
  'cursor=AAAA',
  'cursor=a%00b',
  `cursor=${'A'.repeat(501)}`,
  `cursor=${'A'.repeat(500)}`,
  'cursor=%ff',
  '__proto__=1',
  'constructor=1',
  'prototype[a]=1',
  '__proto__[a]=1',
  'limit[]=1',
  'Limit=1',
  '%00=1',
  `${'a'.repeat(6000)}=1`,
] as const;

/** Query strings that some lists take in some way. */
const ODD_QUERIES = [
  'limit=%31',
  '&',
  '&&&',
  '=',
  '?',
  '=1',
  'q=',
  '#a',
  'q=%zz',
  'q=%',
  'q=%25',
  'q=_',
  'q=%5C',
  'q=%5C%5C%25',
  "q='",
  'q=%22',
  'q=%27%29%20or%201%3D1--',
  'q=%F0%9F%82%A1',
  'q=%ed%a0%80',
  'q=%00',
  'q=a&q=b',
  `q=${'%25'.repeat(100)}`,
  `q=${'_'.repeat(100)}`,
  `q=${'a'.repeat(101)}`,
  'q=*',
  'q=%C4%B0',
  'q=%ff%fe',
  'order=ASC',
  'state=',
  'state=active&state=destroyed',
  'project=__proto__',
  'consumer=x',
  'action=..',
  'actor=%27',
  'subject=%25',
] as const;

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'SEARCH',
  'LOCK',
  'LINK',
  'PURGE',
];

/** Attacks on where the request goes. */
export function addressAttacks(
  operation: Operation,
  request: Valid,
  world: AttackedWorld,
  headers: Headers,
): fc.Arbitrary<Attack>[] {
  const typed: Headers = operation.method === 'GET' ? headers : [...headers, ['content-type', 'application/json']];
  const body = operation.method === 'GET' ? null : Buffer.from(toJsonText(request.body));
  const to = (kind: string, target: string, certain: boolean): Attack => ({
    operation,
    kind,
    certain,
    method: operation.method,
    target,
    headers: typed,
    body,
  });
  const plain = targetOf(operation, request.params, {});
  const segment =
    operation.params === undefined
      ? []
      : [
          fc.constantFrom(...BAD_SEGMENTS).map((bad) =>
            to(
              'bad segment',
              operation.path
                .replace(/\{\w+\}/, () => bad)
                .replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(request.params[name] ?? '')),
              false,
            ),
          ),
        ];
  // Read leniently it would be the address of something else.
  const number =
    operation.params === undefined || !hasNumber(operation)
      ? []
      : [
          fc.constantFrom('1.9', 'true', '0x1', '1n', '%201', '%2B1', '1e0', '9007199254740993').map((bad) =>
            to(
              'bad number',
              operation.path.replace(/\{\w+\}/g, () => bad),
              true,
            ),
          ),
        ];
  const isList = 'cursor' in ((operation.query as { properties?: object } | undefined)?.properties ?? {});
  const cursor = isList
    ? [forgedCursor(world).map((forged) => to('forged cursor', `${plain}?cursor=${forged}`, true))]
    : [];
  return [
    ...segment,
    ...number,
    ...cursor,
    fc.constantFrom(...BAD_QUERIES).map((bad) => to('bad query', `${plain}?${bad}`, true)),
    fc.constantFrom(...ODD_QUERIES).map((odd) => to('odd query', `${plain}?${odd}`, false)),
    fc
      .constantFrom('/', '//', '/x', '%2f', '/../..', ';', '%00', '%', 'x'.repeat(9000))
      .map((end) => to('odd end', plain + end, false)),
    fc.constantFrom(...METHODS).map((method) => ({ ...to('other method', plain, false), method })),
  ];
}

/** True where every part of the path that is filled in is a number. */
function hasNumber({ params }: Operation): boolean {
  const { properties = {} } = params as { readonly properties?: Readonly<Record<string, { readonly type?: string }>> };
  return Object.values(properties).every(({ type }) => type === 'integer');
}

/** Cursors of the right form that no list has made. */
function forgedCursor({ cursors }: AttackedWorld): fc.Arbitrary<string> {
  const changed = fc.tuple(fc.constantFrom(...cursors), fc.nat()).map(([cursor, at]) => {
    const bytes = Buffer.from(cursor, 'base64url');
    bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ 1;
    return bytes.toString('base64url');
  });
  const made = fc.uint8Array({ minLength: 1, maxLength: 90 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
  const crossed = fc.constantFrom(...cursors).map((cursor) => cursor.slice(0, -1));
  return fc.oneof(changed, made, crossed);
}

const CONTENT_TYPES = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=a',
  'application/jsonx',
  'application/json, text/plain',
  '',
  ';',
  'application/json;',
  'application/json; charset=utf-16',
  'APPLICATION/JSON',
  '*/*',
  'application/merge-patch+json',
  'a'.repeat(3000),
];

const IDEMPOTENCY_KEYS = [
  '',
  ' ',
  'a b',
  'é',
  'a'.repeat(129),
  'a'.repeat(128),
  "'; --",
  '%00',
  'k1',
  'k2',
  '__proto__',
  'constructor',
  '{}',
];

/** Attacks on what comes with the request. */
export function headerAttacks(
  operation: Operation,
  request: Valid,
  world: AttackedWorld,
  headers: Headers,
): fc.Arbitrary<Attack>[] {
  const target = targetOf(operation, request.params, request.query);
  const body = operation.method === 'GET' ? null : Buffer.from(toJsonText(request.body));
  const json: Headers = body === null ? [] : [['content-type', 'application/json']];
  const send = (kind: string, fields: Headers, certain: boolean): Attack => ({
    operation,
    kind,
    certain,
    method: operation.method,
    target,
    headers: fields,
    body,
  });
  const stranger = fc.constantFrom(
    '',
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    `Basic ${world.admin}`,
    world.admin,
    `Bearer ${world.admin.slice(0, -1)}`,
    `Bearer ${world.credential}`,
    `Bearer ${world.admin} x`,
    `Bearer ${'a'.repeat(6000)}`,
    'Bearer \u00ff\u00fe',
    `Bearer ${world.admin.toUpperCase()}`,
    'Bearer null',
  );
  return [
    stranger.map((value) => send('stranger', [['authorization', value], ...json], true)),
    fc.constant(send('no token', json, true)),
    fc
      .constantFrom(...world.others)
      .map((token) => send('other token', [['authorization', `Bearer ${token}`], ...json], false)),
    fc
      .constantFrom(...IDEMPOTENCY_KEYS)
      .map((key) => send('idempotency key', [...headers, ...json, ['idempotency-key', key]], false)),
    fc.constantFrom(...CONTENT_TYPES).map((type) => send('content type', [...headers, ['content-type', type]], false)),
    fc
      .constantFrom<Headers[number]>(
        ['x-forwarded-for', '999.1.1.1, <b>'],
        ['accept', '\u00ff'],
        ['accept-encoding', 'x'.repeat(2000)],
        ['user-agent', '\'"<>%00'],
        ['cookie', '__proto__=1'],
        ['content-encoding', 'gzip'],
        ['if-none-match', '*'],
        ['range', 'bytes=0-1'],
        ['te', 'trailers'],
        ['x-http-method-override', 'DELETE'],
        ['traceparent', 'x'],
        ['accept-version', '9.9.9'],
        ['origin', 'null'],
      )
      .map((odd) => send('odd header', [...headers, ...json, odd], false)),
  ];
}
