import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import { CASES } from './vector-cases.ts';
import type { VectorCase, VectorRequest, VectorSigner } from './vector-format.ts';

/** What means something to some dialect, some parser, or some encoder. */
const PIECES = [
  ...['a', 'b', 'A', '0', '/', '//', '.', '..', '%2e', '%2E%2e', '%2F', '%2f', '%', '%zz', '%c3%a9', '%ff', '%00'],
  ...['?', '=', '&', '&&', '+', ' ', 'é', '東', '🚀', "'", '"', '<', '>', '`', '{', '}', '[', ']', '|', '^', '\\'],
  ...['~', '*', '!', '$', '(', ')', ';', ':', '@', ',', '-', '_', '#', 'timestamp', 'signature', 'nonce', 'otp'],
  ...['recvWindow', 'x=1', '%6eonce', '=1', 'é=é', '\t'],
];
const HOSTS = [
  ...['api.example', 'API.Example', 'api.example:443', 'api.example:80', 'h:8443', 'h:080', 'h:', '127.0.0.1', '[::1]'],
  ...['[::1]:80', '[2001:DB8::1]', 'a_b.c', 'a..b', 'a.b.', '127.1', '0x1', '1.2.3', 'u:p@h', 'bü.de', '%41.b'],
];
const BODIES = [
  ...[
    '',
    '{}',
    '{"a":1}',
    '{ "nonce":"5", "a":{"b":[1,2,{"nonce":3}]}}',
    '{"nonce":9007199254740993}',
    '{"nonce":1.5}',
  ],
  ...['{"otp":1}', '{"otp":"é\\u0041"}', '[1]', '{"a":NaN}', '{"a":1e999,"b":-0}', '{"a":1}x', ' {"a":1}', '{"":1}'],
  ...['{"\\u0061":1,"a":2}', '\ufeff{}', 'a=1', 'a=1&b=2', 'a', 'a=1&', 'a==1', '%zz=1', 'B=1', 'aB=1&c=é', 'nonce=5'],
  ...[
    'nonce=05',
    'nonce=5&otp=%ff',
    'otp=1',
    '=1',
    'timestamp=4',
    'A=1&x=2',
    '\0',
    '{"a":"\u0001"}',
    '{"x":"\\ud800"}',
  ],
];
const HEADERS: readonly (readonly FieldLine[])[] = [
  [],
  [['Content-Type', 'application/json']],
  [['host', 'api.example']],
  [['Host', 'other:443']],
  [
    ['X-Many', ' a '],
    ['x-many', 'b\tc'],
  ],
  [['Priority', 'u=1, i']],
  [['Priority', 'u=1,, i']],
  [['X-Dict', 'a="x\\"", b=@5, c=%"é"']],
  [['X-Dict', 'a=-0.10;q=1;r, b=:AAE=:, c=(1 2.50 "x";y)']],
  [['X-Raw', 'é']],
  [['X-Raw', '東']],
  [
    ['content-digest', 'x'],
    ['X-A', 'a\r\n b'],
  ],
  [['X-A', 'a\nb']],
  [['Signature', 'x']],
];
const COMPONENTS = [
  ...['@method', '@path', '@query', '@authority', '@scheme', '@request-target', '@target-uri', 'content-type', 'host'],
  ...['X-Many', 'x-raw;bs', 'priority;sf', 'priority;key="u"', 'x-dict;key="a"', '"x-dict";key="b"', 'x-dict;key="c"'],
  ...['@query-param;name="a"', '@query-param;name="x"', 'x-a', 'content-digest;key="sha-512"', 'content-digest'],
  ...['x-dict;sf', '@method;req', 'x-a;tr', 'x-a;bs;sf', 'x-a;bs;key="a"', '"@path"', 'x-a;foo', '"x-a'],
];

/** Requests of every dialect, most of them such as nobody writes. @param random below one, from zero */
export function randomCases(count: number, random: () => number): VectorCase[] {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const text = (longest: number) => Array.from({ length: below(longest) }, () => pick(PIECES)).join('');
  const deterministic = CASES.filter(({ signer }) => !/ecdsa|pss/.test(signer.algorithm ?? ''));
  const url = () => {
    const scheme = pick(['https', 'https', 'http', 'HTTP', 'ftp']);
    const host = below(3) > 0 ? 'api.example' : pick(HOSTS);
    return `${scheme}://${host}${pick(['/', '', '/v1/', '?', '/v1'])}${text(5)}${below(2) > 0 ? `?${text(6)}` : ''}`;
  };
  const settings = ({ dialect }: VectorSigner) => {
    if (dialect.dialect !== 'rfc9421' || below(2) > 0) return dialect;
    const components = Array.from({ length: 1 + below(4) }, () => pick(COMPONENTS));
    return { ...dialect, components, ...(below(2) > 0 ? { tag: 'a"\\' } : {}) };
  };
  return Array.from({ length: count }, (_, index) => {
    const one = pick(deterministic);
    const signer: VectorSigner = {
      ...one.signer,
      dialect: settings(one.signer),
      nowMs: 1_700_000_000_000 + below(1_000_000),
      ...(below(4) === 0 ? { otp: pick(['', '1', 'é"\\/\u2028', 'a b']) } : {}),
    };
    const request: VectorRequest = {
      method: pick(['GET', 'POST', 'post', 'delete', 'PUT', 'HEAD', 'PATCH', 'options', 'M-X']),
      url: below(3) > 0 ? one.request.url : url(),
      headers: below(2) > 0 ? one.request.headers : pick(HEADERS),
      body: below(2) > 0 ? one.request.body : pick(BODIES),
    };
    return { name: `random ${index}`, signer, request };
  });
}
