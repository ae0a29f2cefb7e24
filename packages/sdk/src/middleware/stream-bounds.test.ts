import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as sendOver } from 'node:http';
import { it } from 'node:test';
import { createGuard } from '../guard.ts';
import { listening } from '../testing/raw-http.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import { createFetchGuard } from './fetch.ts';

const CHUNK = Buffer.alloc(10_000, 'x');
const BODY = Buffer.alloc(100 * CHUNK.length, 'x');
const BOUND = 50_000;
const REQUIREMENT = { permission: 'orders:write' };

async function signedBody() {
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  const signed = await keys.sign('rfc9421', { method: 'POST', url: 'https://api.example/v1/orders', body: BODY });
  return { signed, options: { ...keys.guarded, body: 'stream', maxStreamBytes: BOUND } as const };
}

/** How much the application was handed, and what ended it. */
async function readAll(body: AsyncIterable<Uint8Array>): Promise<[bytes: number, failure: string]> {
  let bytes = 0;
  try {
    for await (const chunk of body) bytes += chunk.length;
    return [bytes, 'none'];
  } catch (error) {
    return [bytes, (error as Error).name];
  }
}

it('nothing of a streamed body is handed over, nor read, beyond its bound: in a fetch handler', async () => {
  const { signed, options } = await signedBody();
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => (++pulled > 100 ? controller.close() : controller.enqueue(CHUNK)),
  });
  const found: [number, string][] = [];
  const handle = createFetchGuard(options)(REQUIREMENT, async ({ body }) => {
    found.push(await readAll(body as ReadableStream<Uint8Array>));
    return new Response(null, { status: 400 });
  });
  const headers = signed.headers.map(([name, value]): [string, string] => [name, value]);
  await handle(new Request(signed.url, { method: 'POST', headers, body, duplex: 'half' } as RequestInit));
  const [[bytes, failure]] = found as [[number, string]];
  assert.equal(failure, 'BodyTooLong');
  assert.ok(bytes <= BOUND, `${bytes} bytes handed over`);
  assert.ok(pulled < 20, `${pulled} chunks read`);
});

it('nothing of a streamed body is handed over beyond its bound: of node:http', async () => {
  const { signed, options } = await signedBody();
  const guard = createGuard(options);
  const found: [number, string][] = [];
  const server = createServer((request, response) => {
    void (async () => {
      if ((await guard(request, response, REQUIREMENT)) === null) return;
      found.push(await readAll(request));
      response.writeHead(400, { connection: 'close' }).end();
    })();
  });
  await using address = await listening(server);
  const headers = { ...Object.fromEntries(signed.headers), Host: 'api.example', 'Transfer-Encoding': 'chunked' };
  const outgoing = sendOver({ port: address.port, path: '/v1/orders', method: 'POST', headers });
  // The server closes while it is still sent to.
  outgoing.on('error', () => {});
  outgoing.write(BODY.subarray(0, 20_000));
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  outgoing.end(BODY.subarray(20_000));
  const [answer] = await answered;
  answer.resume();
  assert.equal(answer.statusCode, 400);
  const [[bytes, failure]] = found as [[number, string]];
  assert.equal(failure, 'BodyTooLong');
  assert.ok(bytes <= BOUND, `${bytes} bytes handed over`);
});
