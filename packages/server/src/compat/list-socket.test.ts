import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { eventually } from '../testing/eventually.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { acceptListMethod } from './list-socket.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly body: string;
}

interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
  /** Requests that came in whole, in order. */
  readonly seen: Seen[];
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function start(withList = true, handler?: Handler): Promise<TestServer> {
  const seen: Seen[] = [];
  const answer: Handler = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '' } = request;
      seen.push({ method, url, body: Buffer.concat(chunks).toString('latin1') });
      response.end(`${method} ${url}`);
    });
  };
  const server = createServer(handler ?? answer);
  if (withList) acceptListMethod(server, false);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends the chunks one by one and reads until the server closes. */
async function exchange(port: number, chunks: readonly (Buffer | string)[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  // A server that refuses may reset what is still being sent.
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  for (const chunk of chunks) {
    if (socket.destroyed) break;
    await new Promise<void>((resolve) => socket.write(chunk, 'latin1' as BufferEncoding, () => resolve()));
  }
  await closed;
  return received;
}

const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const list = (path: string) => `LIST ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const withLength = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked = (path: string, ...bodies: string[]) =>
  `PUT ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `${bodies.map((body) => `${body.length.toString(16)}\r\n${body}\r\n`).join('')}0\r\n\r\n`;
const extended = (path: string, body: string) =>
  `PUT ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `${body.length.toString(16)};a="LIST ;";b\r\n${body}\r\n0;c=d\r\n\r\n`;
const OFFER = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB';
const SLY = 'LIST /body HTTP/1.1\r\nHost: a\r\n\r\nLIST /again HTTP/1.1\r\n\r\n';

describe('LIST over a connection', () => {
  it('lets go of a connection that it answered last, though the other side never closes its own', async () => {
    await using running = await start();
    const socket = connect({ port: running.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.resume();
    const ended = once(socket, 'end');
    socket.write('GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await ended;
    const open = () => new Promise((resolve) => running.server.getConnections((_error, count) => resolve(count)));
    await eventually('the connection is gone', async () => (await open()) === 0);
    socket.destroy();
  });

  it('reaches the server as LINK, and an answer comes back', async () => {
    await using running = await start();
    const answer = await exchange(running.port, ['LIST /one?a=LIST HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n']);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*LINK \/one\?a=LIST$/);
  });

  it('works again and again on a connection that is kept alive', async () => {
    await using running = await start();
    const socket = connect(running.port, '127.0.0.1');
    for (let i = 0; i < 20; i++) {
      socket.write(list(`/${i}`));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.match(String(answer), new RegExp(`LINK /${i}$`));
    }
    socket.destroy();
    assert.equal(running.seen.length, 20);
  });

  it('works on a connection on which each request offers another protocol, as Java asks for HTTP/2', async () => {
    await using running = await start();
    const socket = connect(running.port, '127.0.0.1');
    for (let i = 0; i < 6; i++) {
      socket.write(list(`/${i}`).replace('Host: a', `Host: a\r\n${OFFER}`));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.match(String(answer), new RegExp(`LINK /${i}$`));
    }
    socket.destroy();
  });

  it('works pipelined between bodies that look like requests, which arrive byte by byte as they were sent', async () => {
    await using running = await start();
    const bytes = [
      ...[list('/a'), withLength('/b', SLY), list('/c'), chunked('/d', SLY, '0\r\n\r\n', SLY), '\r\n', list('/e')],
      ...['GET /f HTTP/1.1\r\nHost: a\r\n\r\n', withLength('/g', ''), list('/h'), LAST],
    ];
    await exchange(running.port, [bytes.join('')]);
    assert.deepEqual(
      running.seen.map(({ method, url, body }) => [method, url, body]),
      [
        ['LINK', '/a', ''],
        ['POST', '/b', SLY],
        ['LINK', '/c', ''],
        ['PUT', '/d', `${SLY}0\r\n\r\n${SLY}`],
        ['LINK', '/e', ''],
        ['GET', '/f', ''],
        ['POST', '/g', ''],
        ['LINK', '/h', ''],
        ['GET', '/last', ''],
      ],
    );
  });

  it('works when every byte comes alone', async () => {
    await using running = await start();
    const bytes = `${list('/a')}${withLength('/b', 'LIST /')}${list('/c')}${chunked('/d', 'LIST ')}${LAST}`;
    await exchange(running.port, [...bytes]);
    assert.deepEqual(
      running.seen.map(({ method }) => method),
      ['LINK', 'POST', 'LINK', 'PUT', 'GET'],
    );
  });

  it('tells a LINK that somebody sent from LIST', async () => {
    await using running = await start();
    await exchange(running.port, [`LINK /a HTTP/1.1\r\nHost: a\r\n\r\n${LAST}`]);
    assert.equal(running.seen[0]?.method, 'COPY');
  });

  it('holds under a load of interleaved requests on one connection, cut anywhere', async (t) => {
    const seed = Date.now() % 2 ** 31;
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    await using running = await start();
    const expected: string[][] = [];
    let bytes = '';
    for (let i = 0; i < 1_000; i++) {
      const body = SLY.slice(pick(SLY.length)).repeat(1 + pick(3));
      const kinds: readonly [string, string, string][] = [
        [list(`/${i}`), 'LINK', ''],
        [withLength(`/${i}`, body), 'POST', body],
        [chunked(`/${i}`, body, body), 'PUT', body + body],
        [extended(`/${i}`, body), 'PUT', body],
        [withLength(`/${i}`, body).replace('Host: a', `Host: a\r\n${OFFER}`), 'POST', body],
        [list(`/${i}`).replace('Host: a', `Host: a\r\n${OFFER}`), 'LINK', ''],
        [`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`, 'GET', ''],
      ];
      const [sent, method, arrives] = kinds[pick(kinds.length)] as [string, string, string];
      bytes += sent;
      expected.push([method, `/${i}`, arrives]);
    }
    bytes += LAST;
    const chunks: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + pick(random() < 0.5 ? 8 : 4_000);
      chunks.push(bytes.slice(at, at + size));
      at += size;
    }
    const answer = await exchange(running.port, chunks);
    assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, 1_001);
    assert.deepEqual(
      running.seen.slice(0, -1).map(({ method, url, body }) => [method, url, body]),
      expected,
    );
  });

  it('keeps to the pace of a slow server with a large body, and of a slow client with a large answer', async () => {
    const large = Buffer.alloc(8 * 1024 * 1024, SLY);
    let arrived = 0;
    await using running = await start(true, (request, response) => {
      request.on('data', (chunk: Buffer) => {
        assert.deepEqual(chunk, large.subarray(arrived, arrived + chunk.length));
        arrived += chunk.length;
        request.pause();
        setImmediate(() => request.resume());
      });
      request.on('end', () => response.end(large));
    });
    const socket = connect(running.port, '127.0.0.1');
    socket.write(`POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${large.length}\r\n\r\n`);
    socket.write(large);
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      socket.pause();
      setImmediate(() => socket.resume());
    });
    await once(socket, 'close');
    assert.equal(arrived, large.length);
    assert.deepEqual(Buffer.concat(received).subarray(-large.length), large);
  });
});

describe('a connection that ends early', () => {
  it('half closed after its request still gets what Node alone would answer', async () => {
    for (const handler of [undefined, (_: IncomingMessage, response: ServerResponse) => response.end('at once')]) {
      const answers: string[] = [];
      for (const withList of [false, true]) {
        await using running = await start(withList, handler);
        const socket = connect({ port: running.port, host: '127.0.0.1', allowHalfOpen: true });
        socket.end('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
        const chunks = await socket.toArray();
        answers.push(
          Buffer.concat(chunks)
            .toString('latin1')
            .replace(/Date: .*\r\n/, ''),
        );
      }
      assert.equal(answers[1], answers[0]);
    }
  });

  it('within a method, a head or a body leaves the server serving, and nothing open', async () => {
    await using running = await start();
    const whole = withLength('/a', SLY);
    for (const at of [1, 3, 4, 5, 20, whole.indexOf('\r\n\r\n') + 3, whole.length - 5]) {
      for (const end of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
        const socket = connect(running.port, '127.0.0.1');
        socket.on('error', () => {});
        await new Promise<void>((resolve) => socket.write(whole.slice(0, at), () => resolve()));
        end(socket.resume());
        if (!socket.destroyed) await once(socket, 'close');
      }
    }
    assert.equal(running.seen.length, 0);
    assert.match(await exchange(running.port, [LAST]), /200 OK/);
    running.server.close();
    await once(running.server, 'close');
  });

  it('while the answer is on its way aborts the request', async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    await using running = await start(true, (_request, response) => {
      response.on('close', () => resolve());
      response.write('the beginning');
    });
    const socket = connect(running.port, '127.0.0.1');
    socket.write(list('/a'));
    await once(socket, 'data');
    socket.destroy();
    await aborted;
  });
});

describe('a connection on which nothing came yet', () => {
  it('is ended with the server, and where it lasts as long as a head may take', async () => {
    await using own = await start(false);
    own.server.headersTimeout = 60;
    const end = acceptListMethod(own.server, false, '/below/');
    const silent = connect(own.port, '127.0.0.1');
    silent.on('error', () => {}).resume();
    await once(silent, 'close');
    own.server.headersTimeout = 60_000;
    const open = connect(own.port, '127.0.0.1');
    open.on('error', () => {}).resume();
    await once(own.server, 'connection');
    end();
    await once(open, 'close');
    const late = await exchange(own.port, [LAST]);
    assert.match(late, /^HTTP\/1\.1 200/, 'what comes after is left to Node alone');
  });
});
