import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { RawExchange } from '../testing/raw-exchange.ts';
import { written } from '../testing/raw-http.ts';

const TARGET = '/v1/orders?symbol=BTC-USD';
const MEBIBYTE = 1024 * 1024;
const HUGE = 100 * MEBIBYTE;
/** What sockets and streams buffer on both sides of the one process that this test is. */
const BOUND_BYTES = 16 * MEBIBYTE;

describe('a body of 100 MiB', () => {
  const chunk = Buffer.alloc(65_536, 'x');

  /** Sends as fast as it is taken, until the server has had enough; what was sent and what came back. */
  async function pour(exchange: RawExchange, head: string, frame: (piece: Buffer) => Buffer, last = '') {
    const socket = connect(exchange.port, '127.0.0.1');
    const answer: Buffer[] = [];
    let [done, sent] = [false, 0];
    const settled = new Promise<void>((resolve) => {
      const settle = (_?: unknown) => resolve(void (done = true));
      socket.on('data', (piece: Buffer) => settle(void answer.push(piece))).on('close', settle);
    });
    // A server that has had enough closes while more is sent.
    socket.on('error', () => {});
    socket.write(head);
    const framed = frame(chunk);
    for (; sent < HUGE && !done; sent += chunk.length) {
      exchange.sample();
      if (!socket.write(framed)) await taken(socket);
    }
    if (!done) socket.write(last);
    await settled;
    socket.destroy();
    return { sent, text: Buffer.concat(answer).toString('latin1') };
  }

  const CHUNKED = (piece: Buffer) =>
    Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);

  it('is refused before it is read, or as soon as it is too long, in bounded memory', async () => {
    await using exchange = await RawExchange.open();
    exchange.sample();
    const before = exchange.peakBytes;
    const head = written(await exchange.sign('binance', TARGET, '')).replace(/\r\n\r\n$/, '\r\n');
    const long = await pour(exchange, `${head}Content-Length: ${HUGE}\r\n\r\n`, (piece) => piece);
    assert.match(long.text, /^HTTP\/1\.1 413 /);
    const chunked = await pour(exchange, `${head}Transfer-Encoding: chunked\r\n\r\n`, CHUNKED, '0\r\n\r\n');
    assert.match(chunked.text, /^HTTP\/1\.1 413 /);
    for (const { sent } of [long, chunked]) assert.ok(sent < BOUND_BYTES, `${sent} bytes were taken`);
    assert.ok(exchange.peakBytes - before < BOUND_BYTES, `${exchange.peakBytes - before} bytes held`);
  });

  it('is streamed to the application where its digest is signed, in bounded memory', async () => {
    await using exchange = await RawExchange.open({ body: 'stream' });
    const request = await exchange.sign('rfc9421', TARGET, 'x'.repeat(HUGE));
    const head = written({ ...request, body: new Uint8Array() }).replace(/\r\n\r\n$/, '\r\n');
    exchange.sample();
    const before = exchange.peakBytes;
    const { text } = await pour(exchange, `${head}Content-Length: ${HUGE}\r\n\r\n`, (piece) => piece);
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.match(text, new RegExp(`"bytes":${HUGE}`));
    assert.ok(exchange.peakBytes - before < BOUND_BYTES, `${exchange.peakBytes - before} bytes held`);
    // Held until here, so that letting it go hides nothing.
    assert.equal(request.body.length, HUGE);
  });
});

/** Until more may be written, or nobody takes it any more. */
function taken(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      socket.off('drain', go).off('close', go);
      resolve();
    };
    socket.on('drain', go).on('close', go);
  });
}
