import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { it } from 'node:test';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { createGuard } from '../guard.ts';
import { listening, sendRaw, written } from '../testing/raw-http.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import { createExpressGuard } from './express.ts';
import { createFastifyGuard } from './fastify.ts';
import { createFetchGuard } from './fetch.ts';
import { createHonoGuard } from './hono.ts';
import type { HttpGuardOptions } from './http-guard.ts';

const REQUIREMENT = { permission: 'orders:write' };

/** As parsers of bodies wait for an end that is still to come. */
function bytesUntilEnd(request: IncomingMessage): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => void (bytes += chunk.length));
    request.on('end', () => resolve(bytes)).on('error', reject);
  });
}

/** Applications that say how much they read; `late`: the guard comes when the whole request is there already. */
const APPLICATIONS = {
  'node:http': (options: HttpGuardOptions, late: boolean) => {
    const guard = createGuard(options);
    return createServer((request, response) => {
      void (async () => {
        if (late) await allCame(request);
        if ((await guard(request, response, REQUIREMENT)) === null) return;
        response.end(`read ${await bytesUntilEnd(request)}`);
      })();
    });
  },
  'Express 5': (options: HttpGuardOptions, late: boolean) => {
    const app = express();
    if (late) app.use((request, _response, next) => void allCame(request).then(() => next()));
    app.use(createExpressGuard(options)(REQUIREMENT), express.text({ type: () => true }), (request, response) => {
      response.send(`read ${(request.body as string).length}`);
    });
    return createServer(app);
  },
  'Fastify 5': async (options: HttpGuardOptions, late: boolean) => {
    const app = Fastify();
    app.decorateRequest('keyhold', null);
    if (late) app.addHook('onRequest', (request) => allCame(request.raw));
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.post('/v1/orders', { preParsing: createFastifyGuard(options)(REQUIREMENT) }, async ({ body }) => {
      return `read ${String(body ?? '').length}`;
    });
    await app.ready();
    return app.server;
  },
};

/** Until the parser has seen the end of the request; of a body, nothing is read for that. */
async function allCame(request: IncomingMessage): Promise<void> {
  while (!request.complete) await new Promise(setImmediate);
}

for (const [name, application] of Object.entries(APPLICATIONS)) {
  for (const body of ['buffer', 'stream'] as const) {
    it(`${name}, ${body}: a signed request in chunks ends for its reader, when nothing is in it too`, {
      timeout: 20_000,
    }, async () => {
      const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
      for (const late of [false, true]) {
        await using server = await listening(await application({ ...keys.guarded, body }, late));
        for (const content of ['', '{"a":1}']) {
          for (const apart of [false, true]) {
            keys.fed.clock.advance(1000);
            const url = 'https://api.example/v1/orders';
            const headers = [['Content-Type', 'application/json']] as const;
            const signed = await keys.sign('rfc9421', { method: 'POST', url, body: content, headers });
            const head = written({ ...signed, body: new Uint8Array() }, ['Transfer-Encoding: chunked']);
            const chunk = content === '' ? '' : `${content.length.toString(16)}\r\n${content}\r\n`;
            const pieces = apart ? [head, chunk, '0\r\n\r\n'] : [`${head}${chunk}0\r\n\r\n`];
            const answer = await sendRaw(server.port, ...pieces);
            const how = `late ${late}, apart ${apart}`;
            assert.deepEqual([answer.status, answer.body], [200, `read ${content.length}`], how);
          }
        }
      }
    });
  }
}

it('a key whose request somebody has to look at ends for its reader too, when nothing is in it', async () => {
  const guard = createGuard({ environment: 'a/b', verify: async () => ({ valid: true, code: 'VALID' }) });
  const server = createServer((request, response) => {
    void guard(request, response, { about: () => ({}) }).then(async () => {
      response.end(`read ${await bytesUntilEnd(request)}`);
    });
  });
  await using open = await listening(server);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.equal((await sendRaw(open.port, head, '0\r\n\r\n')).body, 'read 0');
});

const HANDLERS = {
  'a fetch handler': (options: HttpGuardOptions) =>
    createFetchGuard(options)(REQUIREMENT, async (request) => new Response(`read ${(await request.text()).length}`)),
  'Hono 4': (options: HttpGuardOptions) => {
    const app = new Hono().all('*', createHonoGuard(options)(REQUIREMENT), async (c) => {
      return c.text(`read ${(await c.req.text()).length}`);
    });
    return async (request: Request) => await app.fetch(request);
  },
};

for (const [name, handler] of Object.entries(HANDLERS)) {
  for (const body of ['buffer', 'stream'] as const) {
    it(`${name}, ${body}: a signed request without a body is served where its runtime gives each one a stream`, async () => {
      const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
      const handle = handler({ ...keys.guarded, body });
      for (const method of ['DELETE', 'POST']) {
        const { url, headers } = await keys.sign('rfc9421', {
          method,
          url: 'https://api.example/v1/orders/1',
          body: '',
        });
        const lines = headers.map(([field, value]): [string, string] => [field, value]);
        const send = (stream: ReadableStream) =>
          handle(new Request(url, { method, headers: lines, body: stream, duplex: 'half' } as RequestInit));
        const refused = await send(new Blob(['{"a":1}']).stream());
        assert.equal(refused.status, 401, 'what nobody signed');
        const answer = await send(new Blob([]).stream());
        assert.deepEqual([answer.status, await answer.text()], [200, 'read 0'], method);
      }
    });
  }
}
