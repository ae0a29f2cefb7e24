import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ReceivedRequest } from '../dialect.ts';
import { FIELD_TYPES, type FieldType } from './field-value.ts';
import { isRefused } from './malformed.ts';
import { type Message, requestMessage, responseMessage } from './message.ts';
import { componentValue } from './signature-base.ts';
import { componentsNamed } from './signing.ts';
import { requestOf, responseOf } from './testing/http-text.ts';

const TYPES = new Map<string, FieldType>([...FIELD_TYPES, ['example-dict', 'dictionary']]);

/** Each component as a line of the signature base. */
function lines(message: Message, components: readonly string[]): string[] {
  return componentsNamed(components).map((component) => {
    const value = componentValue(message, component, TYPES);
    return `${component.identifier}: ${isRefused(value) ? assert.fail(value.malformed) : value}`;
  });
}

function linesOf(
  printed: string,
  components: readonly string[],
  scheme: ReceivedRequest['scheme'] = 'https',
): string[] {
  return lines(requestMessage(requestOf(printed, scheme)), components);
}

it('has the values of fields that RFC 9421 §2.1 prints', () => {
  const printed = `GET / HTTP/1.1
Host: www.example.com
Date: Tue, 20 Apr 2021 02:07:56 GMT
X-OWS-Header:   Leading and trailing whitespace.   
X-Obs-Fold-Header: Obsolete
    line folding.
Cache-Control: max-age=60
Cache-Control:    must-revalidate
Example-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c)
X-Empty-Header: `;
  const names = [
    'host',
    'date',
    'x-ows-header',
    'x-obs-fold-header',
    'cache-control',
    'example-dict',
    'x-empty-header',
  ];
  assert.deepEqual(linesOf(printed, names), [
    '"host": www.example.com',
    '"date": Tue, 20 Apr 2021 02:07:56 GMT',
    '"x-ows-header": Leading and trailing whitespace.',
    '"x-obs-fold-header": Obsolete line folding.',
    '"cache-control": max-age=60, must-revalidate',
    '"example-dict": a=1,    b=2;x=1;y=2,   c=(a   b   c)',
    '"x-empty-header": ',
  ]);
  assert.deepEqual(linesOf(printed, ['example-dict;sf']), ['"example-dict";sf: a=1, b=2;x=1;y=2, c=(a b c)'], '§2.1.1');
});

it('has the members, and the bytes of lines, that RFC 9421 §2.1.2 and §2.1.3 print', () => {
  const dictionary = 'GET / HTTP/1.1\nHost: x\nExample-Dict:  a=1, b=2;x=1;y=2, c=(a   b    c), d';
  const keys = ['a', 'd', 'b', 'c'].map((key) => `example-dict;key="${key}"`);
  assert.deepEqual(linesOf(dictionary, keys), [
    '"example-dict";key="a": 1',
    '"example-dict";key="d": ?1',
    '"example-dict";key="b": 2;x=1;y=2',
    '"example-dict";key="c": (a b c)',
  ]);
  const wrapped = (...values: string[]) =>
    linesOf(`GET / HTTP/1.1\nHost: x\n${values.map((value) => `Example-Header: ${value}`).join('\n')}`, [
      'example-header;bs',
    ]);
  assert.deepEqual(wrapped('value, with, lots', 'of, commas'), [
    '"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:',
  ]);
  assert.deepEqual(wrapped('value, with, lots, of, commas'), [
    '"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:',
  ]);
});

it('has the trailer of a response that RFC 9421 §2.1.4 prints; of a request none is read', () => {
  const response = responseOf('HTTP/1.1 200 OK\nContent-Type: text/plain\nTrailer: Expires');
  const trailers = [['Expires', 'Wed, 9 Nov 2022 07:28:00 GMT']] as const;
  assert.deepEqual(lines(responseMessage({ ...response, trailers }, null), ['trailer', 'expires;tr']), [
    '"trailer": Expires',
    '"expires";tr: Wed, 9 Nov 2022 07:28:00 GMT',
  ]);
  const request = requestMessage(requestOf('POST / HTTP/1.1\nHost: x\nTrailer: Expires\nExpires: 0'));
  const [component] = componentsNamed(['expires;tr']);
  assert.ok(component !== undefined && isRefused(componentValue(request, component, TYPES)));
});

it('has the derived components that RFC 9421 §2.2 prints', () => {
  const post = 'POST /path?param=value HTTP/1.1\nHost: www.example.com';
  for (const [line, printed, scheme] of [
    ['"@method": POST', post],
    ['"@target-uri": https://www.example.com/path?param=value', post],
    ['"@authority": www.example.com', post],
    ['"@scheme": http', post, 'http'],
    ['"@request-target": /path?param=value', post],
    [
      '"@request-target": https://www.example.com/path?param=value',
      'GET https://www.example.com/path?param=value HTTP/1.1\nHost: www.example.com',
    ],
    ['"@request-target": www.example.com:80', 'CONNECT www.example.com:80 HTTP/1.1\nHost: www.example.com'],
    ['"@request-target": *', 'OPTIONS * HTTP/1.1\nHost: www.example.com'],
    ['"@path": /path', post],
    [
      '"@query": ?param=value&foo=bar&baz=bat%2Dman',
      'POST /path?param=value&foo=bar&baz=bat%2Dman HTTP/1.1\nHost: www.example.com',
    ],
    ['"@query": ?queryString', 'POST /path?queryString HTTP/1.1\nHost: www.example.com'],
    ['"@query": ?', 'POST /path HTTP/1.1\nHost: www.example.com'],
  ] as const) {
    const name = line.slice(1, line.indexOf('"', 1));
    assert.deepEqual(linesOf(printed, [name], scheme ?? 'https'), [line], printed);
  }
  assert.deepEqual(lines(responseMessage(responseOf('HTTP/1.1 200 OK'), null), ['@status']), ['"@status": 200']);
});

it('has the parameters of queries that RFC 9421 §2.2.8 prints', () => {
  const named = (printed: string, names: readonly string[]) =>
    linesOf(
      printed,
      names.map((name) => `@query-param;name="${name}"`),
    );
  assert.deepEqual(
    named('GET /path?param=value&foo=bar&baz=batman&qux= HTTP/1.1\nHost: www.example.com', ['baz', 'qux', 'param']),
    ['"@query-param";name="baz": batman', '"@query-param";name="qux": ', '"@query-param";name="param": value'],
  );
  const encoded =
    'GET /parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something HTTP/1.1\nHost: www.example.com';
  assert.deepEqual(named(encoded, ['var', 'bar', 'fa%C3%A7ade%22%3A%20']), [
    '"@query-param";name="var": this%20is%20a%20big%0Amultiline%20value',
    '"@query-param";name="bar": with%20plus%20whitespace',
    '"@query-param";name="fa%C3%A7ade%22%3A%20": something',
  ]);
});
