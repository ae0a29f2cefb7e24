import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { it } from 'node:test';
import { buffer } from 'node:stream/consumers';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import type { OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import type { Verdict } from '@keyhold/protocol/verdict';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { createGuard } from '../guard.ts';
import { listening } from '../testing/raw-http.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import { createExpressGuard } from './express.ts';
import { createFastifyGuard } from './fastify.ts';
import { createFetchGuard } from './fetch.ts';
import { createHonoGuard } from './hono.ts';
import type { HttpGuardOptions } from './http-guard.ts';

const DIALECTS = [{ dialect: 'rfc9421' }, { dialect: 'binance' }] as const satisfies readonly DialectSettings[];
const URL_OF_API = 'https://api.example/v1/orders?symbol=BTC-USD';
const REQUIREMENT = { permission: 'orders:write' };

/** Sends to an application that answers with the body that it got and the consumer whose key it was. */
type Send = (request: OutgoingRequest) => Promise<Response>;
type Framework = (options: HttpGuardOptions) => Promise<{ send: Send } & AsyncDisposable>;

function echo(body: string, { consumerId }: Verdict): string {
  return JSON.stringify({ body, consumer: consumerId });
}

async function overHttp(server: Server): Promise<{ send: Send } & AsyncDisposable> {
  const { port, [Symbol.asyncDispose]: dispose } = await listening(server);
  const send: Send = async (request) => {
    const { pathname, search } = new URL(request.url);
    // `fetch` sets Host by its own URL, which is where the request goes and not what was signed.
    const { request: sendOver } = await import('node:http');
    return await new Promise((resolve, reject) => {
      const headers = { ...Object.fromEntries(request.headers), Host: 'api.example' };
      const outgoing = sendOver({ port, path: pathname + search, method: request.method, headers }, (incoming) => {
        buffer(incoming).then((body) => {
          const lines = Object.entries(incoming.headers).map(([name, value]): [string, string] => [
            name,
            String(value),
          ]);
          resolve(new Response(new Uint8Array(body), { status: incoming.statusCode as number, headers: lines }));
        }, reject);
      });
      outgoing.on('error', reject);
      outgoing.end(request.body);
    });
  };
  return { send, [Symbol.asyncDispose]: dispose };
}

const NOTHING = { [Symbol.asyncDispose]: async () => {} };

function asRequest({ url, method, headers, body }: OutgoingRequest): Request {
  const lines = headers.map(([name, value]): [string, string] => [name, value]);
  return new Request(url, { method, headers: lines, ...(body.length === 0 ? {} : { body: new Uint8Array(body) }) });
}

const FRAMEWORKS: Readonly<Record<string, Framework>> = {
  'node:http': (options) => {
    const guard = createGuard(options);
    return overHttp(
      createServer((request, response) => {
        void (async () => {
          const verdict = await guard(request, response, REQUIREMENT);
          if (verdict === null) return;
          const body = await buffer(request).catch(() => null);
          response.statusCode = body === null ? 400 : 200;
          response.end(body === null ? '' : echo(String(body), verdict));
        })();
      }),
    );
  },
  'Express 5': (options) => {
    const guard = createExpressGuard(options);
    const app = express();
    const orders = express.Router();
    orders.post('/orders', guard(REQUIREMENT), express.text({ type: () => true }), (request, response) => {
      response.send(echo(typeof request.body === 'string' ? request.body : '', response.locals['keyhold'] as Verdict));
    });
    app.use('/v1', orders);
    // Express writes what went wrong to standard error where nobody handles it.
    app.use(((_error, _request, response, _next) => void response.status(400).end()) as express.ErrorRequestHandler);
    return overHttp(createServer(app));
  },
  'Fastify 5': async (options) => {
    const guard = createFastifyGuard(options);
    const app = Fastify();
    app.decorateRequest('keyhold', null);
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.post('/v1/orders', { preParsing: guard(REQUIREMENT) }, async (request) => {
      return echo(typeof request.body === 'string' ? request.body : '', request.getDecorator<Verdict>('keyhold'));
    });
    await app.ready();
    return await overHttp(app.server as Server);
  },
  'Hono 4': async (options) => {
    const app = new Hono<{ Variables: { keyhold: Verdict } }>();
    app.onError((_error, c) => c.body(null, 400));
    app.post('/v1/orders', createHonoGuard(options)(REQUIREMENT), async (c) =>
      c.text(echo(await c.req.text(), c.get('keyhold'))),
    );
    return { send: async (request) => await app.fetch(asRequest(request)), ...NOTHING };
  },
  'a fetch handler': async (options) => {
    const handle = createFetchGuard(options)(REQUIREMENT, async (request, verdict) => {
      const body = await request.text().catch(() => null);
      return body === null ? new Response(null, { status: 400 }) : new Response(echo(body, verdict));
    });
    return { send: (request) => handle(asRequest(request)), ...NOTHING };
  },
};

for (const [name, framework] of Object.entries(FRAMEWORKS)) {
  it(`${name}: a signed request is served once, with its body`, async () => {
    const keys = new SigningVerifier(DIALECTS);
    await using app = await framework(keys.guarded);
    for (const { dialect } of DIALECTS) {
      const body = dialect === 'binance' ? 'quantity=1' : '{"quantity":1}';
      const signed = await keys.sign(dialect, { method: 'POST', url: URL_OF_API, body });
      const served = await app.send(signed);
      assert.equal(served.status, 200, dialect);
      assert.deepEqual(await served.json(), { body, consumer: 'cons_1' });
      const again = await app.send(signed);
      assert.equal(again.status, dialect === 'binance' ? 400 : 401, 'a replay');
      keys.fed.clock.advance(1);
    }
  });

  it(`${name}: a key alone is enough, and its body is whole`, async () => {
    const keys = new SigningVerifier(DIALECTS);
    await using app = await framework(keys.guarded);
    const request = { method: 'POST', url: URL_OF_API, body: Buffer.from('{"quantity":1}') };
    const served = await app.send({ ...request, headers: [['Authorization', `Bearer ${keys.secret}`]] });
    assert.deepEqual(await served.json(), { body: '{"quantity":1}', consumer: 'cons_1' });
    assert.equal((await app.send({ ...request, headers: [['Authorization', 'Bearer nothing']] })).status, 401);
    assert.equal((await app.send({ ...request, headers: [] })).status, 401);
  });

  it(`${name}: what was changed on the way is refused in the dialect's words, or as a problem`, async () => {
    const keys = new SigningVerifier(DIALECTS);
    const signed = await keys.sign('binance', { method: 'POST', url: URL_OF_API, body: 'quantity=1' });
    const changed = { ...signed, body: Buffer.from('quantity=9') };
    await using app = await framework(keys.guarded);
    const answer = await app.send(changed);
    assert.equal(answer.status, 400);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    assert.deepEqual(await answer.json(), { code: -1022, msg: 'Signature for this request is not valid.' });
    await using plain = await framework({ ...keys.guarded, refusals: 'problem' });
    const problem = await plain.send(changed);
    assert.equal(problem.status, 401);
    assert.match(problem.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.deepEqual(((await problem.json()) as { code: string }).code, 'KEY_INVALID');
  });

  it(`${name}: a signed body beyond the limit is answered with 413`, async () => {
    const keys = new SigningVerifier(DIALECTS);
    await using app = await framework({ ...keys.guarded, maxBodyBytes: 10 });
    const signed = await keys.sign('rfc9421', { method: 'POST', url: URL_OF_API, body: '{"quantity":1}' });
    assert.equal((await app.send(signed)).status, 413);
  });

  it(`${name}: a streamed body ends cleanly only where it is the signed one`, async () => {
    const keys = new SigningVerifier(DIALECTS);
    await using app = await framework({ ...keys.guarded, body: 'stream', maxBodyBytes: 10 });
    const sign = () => keys.sign('rfc9421', { method: 'POST', url: URL_OF_API, body: 'x'.repeat(90_000) });
    const served = await app.send(await sign());
    assert.equal(((await served.json()) as { body: string }).body.length, 90_000);
    keys.fed.clock.advance(1_000);
    const signed = await sign();
    const changed = { ...signed, body: Buffer.from('x'.repeat(89_999).concat('y')) };
    assert.equal((await app.send(changed)).status, 400);
  });

  it(`${name}: a streamed body beyond its bound is refused, or fails where no length told of it`, async () => {
    const keys = new SigningVerifier(DIALECTS);
    await using app = await framework({ ...keys.guarded, body: 'stream', maxStreamBytes: 50_000 });
    const sign = (length: number) =>
      keys.sign('rfc9421', { method: 'POST', url: URL_OF_API, body: 'x'.repeat(length) });
    const served = await app.send(await sign(50_000));
    assert.equal(((await served.json()) as { body: string }).body.length, 50_000);
    const chunked = (request: OutgoingRequest): OutgoingRequest => ({
      ...request,
      headers: [...request.headers, ['Transfer-Encoding', 'chunked']],
    });
    assert.equal((await app.send(chunked(await sign(50_000)))).status, 200);
    // It is the application that sees it fail.
    for (const length of [50_001, 5_000_000]) {
      const { status } = await app.send(chunked(await sign(length)));
      assert.ok([400, 413].includes(status), `${length}: ${status}`);
    }
    const told = await sign(50_001);
    const headers = [...told.headers, ['Content-Length', '50001']] as const;
    assert.equal((await app.send({ ...told, headers })).status, 413);
  });
}
