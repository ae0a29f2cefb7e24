import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { buffer } from 'node:stream/consumers';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { createGuard, type GuardOptions } from '../guard.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';

/** As parsers of bodies wait for an end that is still to come. */
function untilEnd(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    request.on('data', (chunk: Buffer) => void (text += String(chunk)));
    request.on('end', () => resolve(text)).on('error', reject);
  });
}

/**
 * A guarded application that answers with what it was sent, or with 400 and how reading it failed.
 * @param isLate the guard comes when all of an empty request is there
 */
async function served(options: GuardOptions, isLate = false) {
  const guard = createGuard(options);
  const server = createServer((incoming, answering) => {
    // What they have in common is the type of HTTP/1.
    const [request, response] = [incoming as unknown as IncomingMessage, answering as unknown as ServerResponse];
    void (async () => {
      while (isLate && !incoming.stream.readableEnded) await new Promise(setImmediate);
      if ((await guard(request, response, { permission: 'orders:write' })) === null) return;
      server.emit('guarded');
      try {
        response.end(`served ${await untilEnd(request)}`);
      } catch (error) {
        response.writeHead(400).end((error as Error).name);
      }
    })();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const open = ({ method, url, headers }: OutgoingRequest, changes: object) => {
    const { host, pathname, search } = new URL(url);
    const pseudo = { ':method': method, ':path': pathname + search, ':authority': host };
    return session.request({ ...pseudo, ...Object.fromEntries(headers), ...changes }, { endStream: false });
  };
  const answerOf = async (stream: ReturnType<typeof open>) => {
    const [{ ':status': status }] = (await once(stream, 'response')) as [{ ':status': number }];
    return [status, String(await buffer(stream))] as const;
  };
  return {
    send: (request: OutgoingRequest, changes: object = {}) => {
      const stream = open(request, changes);
      stream.end(request.body);
      return answerOf(stream);
    },
    /** HEADERS alone, and END_STREAM in a DATA frame behind them. */
    sendEnd: async (request: OutgoingRequest) => {
      const came = once(server, 'stream');
      const stream = open(request, {});
      await came;
      stream.end();
      return await answerOf(stream);
    },
    /** The rest of the body is sent when the application reads it already. */
    sendInTwo: async (request: OutgoingRequest) => {
      const guarded = once(server, 'guarded');
      const stream = open(request, {});
      stream.write(request.body.subarray(0, 3));
      await guarded;
      stream.end(request.body.subarray(3));
      return await answerOf(stream);
    },
    [Symbol.dispose]: () => {
      session.destroy();
      server.close();
    },
  };
}

it('what is signed is verified over HTTP/2 too, where the host is `:authority` and no length tells of a body', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  using app = await served(keys.guarded);
  const { send } = app;
  const sign = (method: string, body: string) =>
    keys.sign('rfc9421', { method, url: 'https://api.example/v1/orders?a=1', body });
  const order = await sign('POST', '{"qty":1}');
  assert.deepEqual(await send(order), [200, 'served {"qty":1}']);
  assert.equal((await send(order))[0], 401, 'a replay');
  assert.deepEqual(await send(await sign('DELETE', '')), [200, 'served ']);
  const changed = { ...(await sign('POST', '{"qty":1}')), body: Buffer.from('{"qty":2}') };
  assert.equal((await send(changed))[0], 401, 'another body');
  assert.equal((await send(await sign('POST', '{}'), { ':authority': 'other.example' }))[0], 401, 'another host');
  assert.equal((await send(await sign('POST', '{}'), { host: 'other.example' }))[0], 401, 'two hosts');
});

it('a streamed body that is another or too long fails for its reader over HTTP/2, and the process goes on', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  using app = await served({ ...keys.guarded, body: 'stream', maxStreamBytes: 50_000 });
  const sign = (body: string) => keys.sign('rfc9421', { method: 'POST', url: 'https://api.example/v1/orders', body });
  for (const send of [app.send, app.sendInTwo]) {
    assert.deepEqual(await send(await sign('{"qty":1}')), [200, 'served {"qty":1}']);
    const changed = { ...(await sign('{"qty":1}')), body: Buffer.from('{"qty":2}') };
    assert.deepEqual(await send(changed), [400, 'DigestMismatch']);
    assert.deepEqual(await send(await sign('x'.repeat(50_001))), [400, 'BodyTooLong']);
  }
  assert.deepEqual(await app.send(await sign('{}')), [200, 'served {}']);
});

it('a request over HTTP/2 that ends in an empty frame of its own ends for its reader', {
  timeout: 20_000,
}, async () => {
  for (const body of ['buffer', 'stream'] as const) {
    const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
    using app = await served({ ...keys.guarded, body });
    const signed = await keys.sign('rfc9421', { method: 'DELETE', url: 'https://api.example/v1/orders/1', body: '' });
    assert.deepEqual(await app.sendEnd(signed), [200, 'served '], body);
  }
});

it('an empty body instead of the signed one is refused over HTTP/2 where it ended before its guard came', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  for (const body of ['buffer', 'stream'] as const) {
    using app = await served({ ...keys.guarded, body }, true);
    const sign = (text: string) =>
      keys.sign('rfc9421', { method: 'POST', url: 'https://api.example/v1/o', body: text });
    assert.equal((await app.sendEnd(await sign('{"qty":1}')))[0], 401, body);
    keys.fed.clock.advance(1_000);
    assert.deepEqual(await app.sendEnd(await sign('')), [200, 'served '], body);
    keys.fed.clock.advance(1_000);
  }
});
