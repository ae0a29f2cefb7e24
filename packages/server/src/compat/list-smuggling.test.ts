import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, it } from 'node:test';
import { acceptListMethod } from './list-socket.ts';

/** What a server made of a connection's bytes. */
interface Reading {
  readonly requests: { readonly line: string; readonly body: string }[];
  /** Statuses of the answers, in order. */
  readonly statuses: string[];
}

/** Lets a server read the bytes, with LIST accepted below a path, or as Node alone does. */
async function read(bytes: string, below: string | null): Promise<Reading> {
  const requests: Reading['requests'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      requests.push({ line: `${request.method} ${request.url}`, body });
      response.end();
    });
  });
  if (below !== null) acceptListMethod(server, false, below);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  // A server that refuses may reset what is still being sent.
  socket.on('error', () => {});
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  const closed = once(socket, 'close');
  // Half closed: a body that never ends is no reason to wait.
  socket.end(bytes, 'latin1');
  await closed;
  server.close();
  await once(server, 'close');
  return { requests, statuses: [...received.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status = '']) => status) };
}

const SMUGGLED = 'LIST /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
/** Ends the connection, whoever reads what is before it as complete. */
const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const post = (fields: string, body: string) => `POST /a HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const chunks = (body: string) => post('Transfer-Encoding: chunked', body);
const { length } = SMUGGLED;

/** Each hides a LIST from one of two readings of the same bytes. */
const HIDDEN: Readonly<Record<string, string>> = {
  'behind a length and a coding': post(
    `Content-Length: ${length + 5}\r\nTransfer-Encoding: chunked`,
    `0\r\n\r\n${SMUGGLED}`,
  ),
  'behind a coding and a length': post(`Transfer-Encoding: chunked\r\nContent-Length: 5`, `0\r\n\r\n${SMUGGLED}`),
  'behind two lengths, the shorter first': post(`Content-Length: 0\r\nContent-Length: ${length}`, SMUGGLED),
  'behind two lengths, the longer first': post(`Content-Length: ${length}\r\nContent-Length: 0`, SMUGGLED),
  'behind a list of lengths': post(`Content-Length: 0, ${length}`, SMUGGLED),
  'behind a coding that is not chunked': post(`Transfer-Encoding: identity`, SMUGGLED),
  'behind chunked that is not last': post('Transfer-Encoding: chunked, gzip', `0\r\n\r\n${SMUGGLED}`),
  'behind chunked in other letters': post('Transfer-Encoding: xchunked', `0\r\n\r\n${SMUGGLED}`),
  'behind two codings': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', `0\r\n\r\n${SMUGGLED}`),
  'behind a coding with a vertical tab': post('Transfer-Encoding:\x0bchunked', `0\r\n\r\n${SMUGGLED}`),
  'behind a folded coding': post('Transfer-Encoding:\r\n chunked', `0\r\n\r\n${SMUGGLED}`),
  'behind a folded length': post(`X-A: a\r\n\tContent-Length: ${length}`, SMUGGLED),
  'behind a bare LF': post(`X-A: a\nContent-Length: ${length}`, SMUGGLED),
  'behind a bare CR': post(`X-A: a\rContent-Length: ${length}`, SMUGGLED),
  'behind a head that a bare LF ends': `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\n\n${SMUGGLED}`,
  'behind a space before the colon': post(`Content-Length : ${length}`, SMUGGLED),
  'behind a space before a field': post(` Content-Length: ${length}`, SMUGGLED),
  'behind a NUL in a field': post(`X-A: \0\r\nContent-Length: ${length}`, SMUGGLED),
  'behind a signed length': post(`Content-Length: +${length}`, SMUGGLED),
  'behind a length with leading zeros': post(`Content-Length: 000${length}`, SMUGGLED),
  'behind a length past 64 bits': post(`Content-Length: ${2n ** 64n + BigInt(length)}`, SMUGGLED),
  'behind a chunk extension': chunks(`${length.toString(16)};a="\r\n"\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a plain chunk extension': chunks(`${length.toString(16)};a=b\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk extension in quotes': chunks(`${length.toString(16)};a="b\\"\t;";c\r\n${SMUGGLED}\r\n0;d=e\r\n\r\n`),
  'behind a chunk extension with a space': chunks(`${length.toString(16)} ;a=b\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk extension that a bare LF ends': chunks(`${length.toString(16)};a=b\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk extension with a bare CR': chunks(`${length.toString(16)};a=b\r;c\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk extension with an open quote': chunks(`${length.toString(16)};a="b\r\n${SMUGGLED}"\r\n0\r\n\r\n`),
  'behind a chunk size past 32 bits': chunks(`1000000${length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk size past 64 bits': chunks(`1${'0'.repeat(14)}${length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk size with 0x': chunks(`0x${length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk size that a bare LF ends': chunks(`${length.toString(16)}\n${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk longer than its size': chunks(`2\r\nabXY${SMUGGLED}\r\n0\r\n\r\n`),
  'behind a chunk that two other bytes end': chunks(`2\r\nabXY0\r\n\r\n${SMUGGLED}`),
  'in a trailer': chunks(`0\r\nX-A: a\r\n${SMUGGLED}\r\n`),
  'in a trailer that names a length': chunks(`0\r\nContent-Length: ${length}\r\n\r\n${SMUGGLED}`),
  'behind a head over the bound': post(`X-A: ${'a'.repeat(17_000)}\r\nContent-Length: ${length}`, SMUGGLED),
  'behind a request of HTTP/0.9': `GET /a\r\n\r\n${SMUGGLED}`,
  'behind a request of HTTP/1.0 with a coding': `POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'behind a GET with a body': `GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${SMUGGLED}`,
  'behind a HEAD with a body': `HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${SMUGGLED}`,
  'behind the last request of a connection': `GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n${SMUGGLED}`,
  'behind CONNECT': `CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n${SMUGGLED}`,
  'behind an upgrade that a server may take': `GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${SMUGGLED}`,
  'behind the preface of HTTP/2': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`,
};

describe('a LIST that one reading hides is no request of another:', () => {
  for (const [name, bytes] of Object.entries(HIDDEN)) {
    it(name, async () => {
      const nodes = await read(bytes + LAST, null);
      for (const ours of await Promise.all(['', '/', '/a', '/other'].map((below) => read(bytes + LAST, below)))) {
        assert.deepEqual(ours, nodes);
        assert.ok(!ours.requests.some(({ line }) => line.endsWith('/smuggled')), 'a second request was read');
      }
    });
  }

  const offer = 'Connection: Upgrade\r\nUpgrade: h2c';
  const OFFERED: Readonly<Record<string, readonly [bytes: string, first: string, body: string]>> = {
    'in a body with a length': [post(`${offer}\r\nContent-Length: ${length}`, SMUGGLED), 'POST /a', SMUGGLED],
    'in a chunked body': [
      post(`${offer}\r\nTransfer-Encoding: chunked`, `${length.toString(16)};a\r\n${SMUGGLED}\r\n0\r\n\r\n`),
      ...(['POST /a', SMUGGLED] as const),
    ],
    'in a body of a HEAD': [
      `HEAD /a HTTP/1.1\r\nHost: a\r\n${offer}\r\nContent-Length: ${length}\r\n\r\n${SMUGGLED}`,
      ...(['HEAD /a', SMUGGLED] as const),
    ],
    'without a body': [`GET /a HTTP/1.1\r\nHost: a\r\n${offer}\r\n\r\n`, 'GET /a', ''],
    'of two': [`GET /a HTTP/1.1\r\nHost: a\r\n${offer}\r\nUpgrade: x\r\n\r\n`, 'GET /a', ''],
  };
  for (const [name, [bytes, first, body]] of Object.entries(OFFERED)) {
    it(`with an offer to upgrade that nobody takes, ${name}: all that follows is read, and nothing twice`, async () => {
      const list = 'LIST /real HTTP/1.1\r\nHost: a\r\n\r\n';
      for (const below of ['', '/']) {
        const { requests } = await read(`${bytes}${list}${bytes}${bytes}${LAST}`, below);
        const one = { line: first, body };
        assert.deepEqual(requests, [one, { line: 'LINK /real', body: '' }, one, one, { line: 'GET /last', body: '' }]);
      }
    });
  }

  it('and where it begins a request in every reading it is one', async () => {
    for (const below of ['', '/']) {
      const { requests } = await read(chunks(`2\r\nab\r\n0\r\n\r\n${SMUGGLED}${LAST}`), below);
      assert.deepEqual(
        requests.map(({ line }) => line),
        ['POST /a', 'LINK /smuggled', 'GET /last'],
      );
    }
  });
});
