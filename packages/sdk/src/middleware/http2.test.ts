import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { buffer } from 'node:stream/consumers';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { createGuard } from '../guard.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';

it('what is signed is verified over HTTP/2 too, where the host is `:authority` and no length tells of a body', async () => {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  const guard = createGuard(keys.guarded);
  const server = createServer((incoming, answering) => {
    // What they have in common is the type of HTTP/1.
    const [request, response] = [incoming as unknown as IncomingMessage, answering as unknown as ServerResponse];
    void (async () => {
      if ((await guard(request, response, { permission: 'orders:write' })) !== null) {
        response.end(`served ${await buffer(request)}`);
      }
    })();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const send = async ({ method, url, headers, body }: OutgoingRequest, changes: object = {}) => {
    const { host, pathname, search } = new URL(url);
    const pseudo = { ':method': method, ':path': pathname + search, ':authority': host };
    const stream = session.request({ ...pseudo, ...Object.fromEntries(headers), ...changes }, { endStream: false });
    stream.end(body);
    const [{ ':status': status }] = (await once(stream, 'response')) as [{ ':status': number }];
    return [status, String(await buffer(stream))] as const;
  };
  try {
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
  } finally {
    session.destroy();
    server.close();
  }
});
