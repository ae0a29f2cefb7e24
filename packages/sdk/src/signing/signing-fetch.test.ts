import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { isMalformed, type FieldLine, type ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import { dialectNamed } from '@keyhold/protocol/dialects/dialects';
import { isSignedWith } from '@keyhold/protocol/dialects/testing/keys';
import type { Signer } from './sign-request.ts';
import { createSigningFetch } from './signing-fetch.ts';
import { HMAC } from './testing/vector-cases.ts';

const SECRET = Buffer.alloc(48, 'keyhold test').toString('base64');
const received: ReceivedRequest[] = [];
let server: Server;
let url: string;

before(async () => {
  server = createServer(async (request, response) => {
    received.push(await asReceived(request));
    const there = /^\/redirect\/(30\d)(.*)$/.exec(request.url ?? '');
    response.writeHead(
      there === null ? 200 : Number(there[1]),
      there === null ? {} : { location: there[2] || '/other' },
    );
    response.end('done');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  received.length = 0;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** Byte for byte, as a verifier is handed it. */
async function asReceived(request: IncomingMessage): Promise<ReceivedRequest> {
  const body = Buffer.concat(await request.toArray());
  const headers: FieldLine[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    headers.push([request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '']);
  }
  return { method: request.method ?? '', target: request.url ?? '', scheme: 'http', headers, body };
}

function signer(dialect: Signer['dialect']): Signer {
  return { dialect, credential: 'cred_1', key: { kind: 'hmac', secret: SECRET }, passphrase: 'open' };
}

/** The one request that was received; fails unless its signature is over it. */
function onlyReceived(dialect: Signer['dialect']): ReceivedRequest {
  const [request, ...more] = received;
  assert.ok(request !== undefined && more.length === 0, `${received.length} were received`);
  const settings = typeof dialect === 'string' ? { dialect } : dialect;
  const claim = dialectNamed(settings.dialect)?.read(request, settings as never) ?? { malformed: 'no such dialect' };
  assert.ok(!isMalformed(claim), 'malformed' in claim ? claim.malformed : '');
  assert.ok(isSignedWith({ secret: SECRET }, claim));
  return request;
}

const text = ({ body }: ReceivedRequest) => Buffer.from(body ?? '').toString();

describe('a fetch that signs', () => {
  for (const dialect of ['rfc9421', 'binance', 'bybit', 'okx', 'coinbase-exchange', HMAC] as const) {
    it(`sends what it signed in ${typeof dialect === 'string' ? dialect : dialect.dialect}`, async () => {
      const signed = createSigningFetch(signer(dialect));
      const answer = await signed(`${url}/v1/orders%2F1?symbol=BTC&q=%2f&q=a+b`);
      assert.equal(await answer.text(), 'done');
      assert.match(onlyReceived(dialect).target, /^\/v1\/orders%2F1\?symbol=BTC&q=%2f&q=a\+b/);
    });
  }

  for (const dialect of ['rfc9421', 'bybit', 'okx', 'kraken', HMAC] as const) {
    it(`sends a body as it signed it in ${typeof dialect === 'string' ? dialect : dialect.dialect}`, async () => {
      const body = JSON.stringify({ note: 'Grüße 東京' });
      const headers = { 'content-type': 'application/json' };
      await createSigningFetch(signer(dialect))(`${url}/v1/orders`, { method: 'POST', body, headers });
      assert.ok(text(onlyReceived(dialect)).endsWith('"note":"Grüße 東京"}'));
    });
  }

  it('sends a form, with what Binance has in it', async () => {
    const body = new URLSearchParams({ symbol: 'BTC', note: 'a b/é' });
    await createSigningFetch(signer('binance'))(`${url}/v1/orders`, { method: 'POST', body });
    assert.match(
      text(onlyReceived('binance')),
      /^symbol=BTC&note=a\+b%2F%C3%A9&timestamp=\d{13}&signature=[0-9a-f]{64}$/,
    );
  });

  it('reads a stream to its end before it sends it', async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of ['one, ', 'two, ', 'three']) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    const init = { method: 'PUT', body, duplex: 'half' } as RequestInit;
    await createSigningFetch(signer('rfc9421'))(`${url}/v1/blob`, init);
    assert.equal(text(onlyReceived('rfc9421')), 'one, two, three');
  });

  it('takes a Request, and a URL that has yet to be written as it is sent', async () => {
    const signed = createSigningFetch(signer('rfc9421'));
    await signed(new Request(`${url}/a/../b c?q=é#x`, { method: 'delete', headers: { 'X-More': '1' } }));
    const request = onlyReceived('rfc9421');
    assert.deepEqual([request.method, request.target], ['DELETE', '/b%20c?q=%C3%A9']);
    assert.ok(request.headers.some(([name, value]) => name.toLowerCase() === 'x-more' && value === '1'));
  });

  it('follows no redirect, to whatever address, whatever it is told', async () => {
    const signed = createSigningFetch(signer('rfc9421'));
    for (const status of [301, 302, 303, 307, 308]) {
      const answer = await signed(`${url}/redirect/${status}/other`, { redirect: 'follow' });
      assert.deepEqual([answer.status, answer.headers.get('location')], [status, '/other']);
      onlyReceived('rfc9421');
      received.length = 0;
    }
  });

  it('hands on what else the caller wants of his runtime, and sends what it signed all the same', async () => {
    const seen: Record<string, unknown>[] = [];
    const send = async (_url: unknown, init?: RequestInit) => {
      seen.push({ ...init });
      return new Response('done');
    };
    const more = { credentials: 'include', cache: 'no-store', keepalive: true, dispatcher: { mine: 1 } } as const;
    const sent = { method: 'POST', body: 'a=1', duplex: 'half', redirect: 'follow', headers: { a: 'b' } };
    const init = { ...more, ...sent } as unknown as RequestInit;
    await createSigningFetch(signer('rfc9421'), send)(`${url}/v1/orders`, init);
    const [{ headers, signal, ...rest } = {}] = seen;
    assert.ok((headers as [string, string][]).some(([name]) => name.toLowerCase() === 'signature'));
    assert.ok(signal instanceof AbortSignal);
    assert.deepEqual(rest, { ...more, method: 'POST', redirect: 'manual', body: new TextEncoder().encode('a=1') });
  });

  it('sends nothing that cannot be signed, and nothing after it was called off', async () => {
    const signed = createSigningFetch(signer('kraken'));
    await assert.rejects(signed(`${url}/v1/orders`), TypeError);
    const signal = AbortSignal.abort();
    await assert.rejects(signed(`${url}/v1/orders`, { method: 'POST', body: 'a=1', signal }), /abort/i);
    assert.deepEqual(received, []);
  });
});
