import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, sign as signWith } from 'node:crypto';
import { createServer, type IncomingMessage, request as sendOver, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { FieldLine, OutgoingRequest } from '@keyhold/protocol/dialects/dialect';
import { asReceived } from '@keyhold/protocol/dialects/rfc9421/prepare-request';
import { prepareResponse, RESPONSE_COMPONENTS } from '@keyhold/protocol/dialects/rfc9421/response-signature';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { createGuard } from '../guard.ts';
import { createSigningFetch } from '../signing/signing-fetch.ts';
import { type AnswerKey, AnswerNotSigned, verifyAnswer } from '../signing/verify-answer.ts';
import { listening, sendRaw } from '../testing/raw-http.ts';
import { SigningVerifier } from '../testing/signing-verifier.ts';
import type { AnswerSigner } from './answer-signer.ts';
import { createExpressGuard } from './express.ts';
import { createFastifyGuard } from './fastify.ts';
import { createFetchGuard } from './fetch.ts';
import { createHonoGuard } from './hono.ts';
import type { HttpGuardOptions } from './http-guard.ts';

/** Of an application that says digests itself, of the body "placed", and has been signed before. */
const OWN_FIELDS = {
  'Content-Digest': `sha-512=:${createHash('sha512').update('placed').digest('base64')}:`,
  'Signature-Input': 'sig1=();created=1',
  Signature: 'sig1=:AAAA:',
};
const REQUIREMENT = { permission: 'orders:write' };
const URL_OF_API = 'https://api.example/v1/orders';
const KEYID = 'api-2026';

function pairOf(algorithm: AnswerSigner['algorithm']): { signer: AnswerSigner; trusted: AnswerKey } {
  const make = (): { publicKey: KeyObject; privateKey: KeyObject } => {
    if (algorithm === 'ed25519') return generateKeyPairSync('ed25519');
    if (algorithm === 'ecdsa-p256-sha256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return generateKeyPairSync('rsa', { modulusLength: 2048 });
  };
  const { publicKey, privateKey } = make();
  const key = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  return { signer: { keyid: KEYID, algorithm, key: privateKey }, trusted: { keyid: KEYID, algorithm, key } };
}

interface Answered {
  readonly status: number;
  readonly headers: readonly FieldLine[];
  readonly body: Uint8Array;
}
type Send = (request: OutgoingRequest) => Promise<Answered>;

async function overHttp(server: ReturnType<typeof createServer>): Promise<{ send: Send } & AsyncDisposable> {
  const { port, [Symbol.asyncDispose]: dispose } = await listening(server);
  const send: Send = (request) =>
    new Promise((resolve, reject) => {
      const { pathname, search } = new URL(request.url);
      const headers = { ...Object.fromEntries(request.headers), Host: 'api.example' };
      const outgoing = sendOver({ port, path: pathname + search, method: request.method, headers }, (incoming) => {
        const lines: FieldLine[] = [];
        for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
          lines.push([incoming.rawHeaders[i] as string, incoming.rawHeaders[i + 1] as string]);
        }
        buffer(incoming).then(
          (body) => resolve({ status: incoming.statusCode as number, headers: lines, body }),
          reject,
        );
      });
      outgoing.on('error', reject);
      outgoing.end(request.body);
    });
  return { send, [Symbol.asyncDispose]: dispose };
}

async function overFetch(handle: (request: Request) => Promise<Response>): Promise<{ send: Send } & AsyncDisposable> {
  const send: Send = async ({ url, method, headers, body }) => {
    const lines = headers.map(([name, value]): [string, string] => [name, value]);
    const init = { method, headers: lines, ...(body.length === 0 ? {} : { body: new Uint8Array(body) }) };
    const response = await handle(new Request(url, init));
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: [...response.headers], body: bytes };
  };
  return { send, [Symbol.asyncDispose]: async () => {} };
}

/** What an application of `node:http` answers, in each of the ways that there are. */
function answerNode(request: IncomingMessage, response: ServerResponse): void {
  const way = request.headers['x-way'];
  response.setHeader('X-Order', '17');
  if (way === 'empty') return void response.writeHead(204).end();
  if (way === 'pieces') {
    response.writeHead(201, 'Made', { 'Content-Type': 'text/plain', 'X-Order': '18' });
    response.write('in ');
    response.write(Buffer.from('pieces'));
    return void response.end();
  }
  if (way === 'long') {
    for (let i = 0; i < 10; i++) response.write('x'.repeat(1000));
    return void response.end();
  }
  if (way === 'own fields') for (const [name, value] of Object.entries(OWN_FIELDS)) response.setHeader(name, value);
  response.end('placed', 'utf8');
}

const FRAMEWORKS: Readonly<Record<string, (options: HttpGuardOptions) => Promise<{ send: Send } & AsyncDisposable>>> = {
  'node:http': (options) => {
    const guard = createGuard(options);
    return overHttp(
      createServer((request, response) => {
        void guard(request, response, REQUIREMENT).then((verdict) => {
          if (verdict !== null) answerNode(request, response);
        });
      }),
    );
  },
  'Express 5': (options) => {
    const app = express();
    app.all('/v1/orders', createExpressGuard(options)(REQUIREMENT), (request, response) =>
      answerNode(request, response),
    );
    return overHttp(createServer(app));
  },
  'Fastify 5': async (options) => {
    const app = Fastify();
    app.decorateRequest('keyhold', null);
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.post('/v1/orders', { preParsing: createFastifyGuard(options)(REQUIREMENT) }, (request, reply) => {
      reply.hijack();
      answerNode(request.raw, reply.raw);
    });
    await app.ready();
    return await overHttp(app.server as ReturnType<typeof createServer>);
  },
  'Hono 4': (options) => {
    const app = new Hono<{ Variables: { keyhold: never } }>();
    app.all('/v1/orders', createHonoGuard(options)(REQUIREMENT), (c) => answerFetch(c.req.raw));
    return overFetch(async (request) => await app.fetch(request));
  },
  'a fetch handler': (options) => overFetch(createFetchGuard(options)(REQUIREMENT, (request) => answerFetch(request))),
};

function answerFetch(request: Request): Response {
  const headers = { 'X-Order': '17' };
  const way = request.headers.get('x-way');
  if (way === 'empty') return new Response(null, { status: 204, headers });
  if (way === 'pieces') {
    const pieces = new Blob(['in ', 'pieces']).stream();
    return new Response(pieces, { status: 201, headers: { 'X-Order': '18', 'Content-Type': 'text/plain' } });
  }
  if (way === 'own fields') return new Response('placed', { headers: { ...headers, ...OWN_FIELDS } });
  return new Response(way === 'long' ? 'x'.repeat(10_000) : 'placed', { headers });
}

function fieldOf({ headers }: Answered, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

for (const [name, framework] of Object.entries(FRAMEWORKS)) {
  describe(`signed answers of ${name}`, () => {
    const { signer, trusted } = pairOf('ed25519');
    const open = async (more: Partial<AnswerSigner> = {}) => {
      const keys = new SigningVerifier([{ dialect: 'rfc9421' }, { dialect: 'binance' }]);
      const app = await framework({ ...keys.guarded, answers: { ...signer, ...more } });
      const order = async (way: string, ...headers: [string, string][]) => {
        keys.fed.clock.advance(1_000);
        const all: [string, string][] = [['X-Way', way], ...headers];
        const request = await keys.sign('rfc9421', { method: 'POST', url: URL_OF_API, headers: all, body: 'buy' });
        return { request, answer: await app.send(request) };
      };
      const check = (answer: Answered, request: OutgoingRequest, from = trusted) =>
        verifyAnswer(from, answer, request, keys.fed.clock.wall());
      return { keys, app, order, check, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
    };

    it('show that this API answered this request', async () => {
      await using api = await open();
      for (const [way, status, body] of [
        ['whole', 200, 'placed'],
        ['pieces', 201, 'in pieces'],
        ['empty', 204, ''],
        ['own fields', 200, 'placed'],
      ] as const) {
        const { answer, request } = await api.order(way);
        assert.deepEqual([answer.status, Buffer.from(answer.body).toString()], [status, body]);
        assert.equal(fieldOf(answer, 'x-order'), way === 'pieces' ? '18' : '17');
        await api.check(answer, request);
        const other = await api.order(way);
        const refuse = (what: Answered, to = request) => assert.rejects(api.check(what, to), AnswerNotSigned, way);
        await refuse({ ...answer, status: 202 });
        await refuse({ ...answer, body: Buffer.from('other') });
        await refuse({ ...answer, headers: answer.headers.filter(([one]) => !/^signature/i.test(one)) });
        await refuse(answer, { ...request, method: 'PUT' });
        await refuse(answer, { ...request, url: `${URL_OF_API}?x` });
        await refuse(answer, other.request);
        await assert.rejects(api.check(other.answer, other.request, { ...trusted, keyid: 'other' }), AnswerNotSigned);
        await assert.rejects(api.check(answer, request, pairOf('ed25519').trusted), AnswerNotSigned);
        const late = api.keys.fed.clock.wall() + 61_000;
        await assert.rejects(verifyAnswer(trusted, answer, request, late), AnswerNotSigned, way);
      }
    });

    it('are refusals too, and say what a signature has to cover', async () => {
      await using api = await open();
      const { request } = await api.order('whole');
      const answer = await api.app.send(request);
      assert.equal(answer.status, 401, 'a replay');
      await api.check(answer, request);
      assert.equal(fieldOf(answer, 'accept-signature'), 'sig1=("@method" "@target-uri" "content-digest");created');
    });

    it('cover what Accept-Signature asks for, under its label, nonce and tag, if they have it', async () => {
      await using api = await open();
      const wanted = 'mine=("x-order" "@status");created;nonce="n1";tag="t1"';
      const { answer, request } = await api.order('whole', ['Accept-Signature', wanted]);
      assert.match(fieldOf(answer, 'signature-input') ?? '', /^mine=\(.*"x-order".*\).*nonce="n1".*tag="t1"/);
      await api.check(answer, request, { ...trusted, components: ['x-order'] });
      const changed = answer.headers.map(([one, value]) => [one, /^x-order$/i.test(one) ? '99' : value] as const);
      await assert.rejects(api.check({ ...answer, headers: changed }, request), AnswerNotSigned);
      const never = await api.order('whole', ['Accept-Signature', 'mine=("x-nowhere");created']);
      await api.check(never.answer, never.request);
    });

    it('are not made for clients that do not look, nor where they are too long', async () => {
      await using api = await open({ maxBytes: 5_000 });
      const binance = await api.keys.sign('binance', { method: 'POST', url: URL_OF_API, body: 'q=1' });
      const plain = await api.app.send(binance);
      assert.deepEqual([plain.status, fieldOf(plain, 'signature')], [200, undefined]);
      const { answer, request } = await api.order('long');
      assert.deepEqual([answer.status, answer.body.length], [200, 10_000]);
      await assert.rejects(api.check(answer, request), AnswerNotSigned);
    });
  });
}

it('a request of which nobody can say where it went is answered unsigned, and ends nothing', async () => {
  const { signer } = pairOf('ed25519');
  const guard = createGuard({
    environment: 'a/b',
    verify: async () => ({ valid: true, code: 'VALID' }),
    answers: signer,
  });
  const cookies = ['Set-Cookie', ['a=1', 'b=2'], 'X-Y', 'z'] as never;
  const server = createServer((request, response) => {
    void guard(request, response, {}).then((verdict) => {
      if (verdict !== null) setTimeout(() => response.writeHead(200, cookies).end('served'), 1);
    });
  });
  await using open = await listening(server);
  const asking = 'Accept-Signature: a=()\r\nAuthorization: Bearer k\r\n\r\n';
  for (const head of ['GET / HTTP/1.0\r\n', 'GET / HTTP/1.1\r\nHost: a b\r\n', 'GET /# HTTP/1.1\r\nHost: a\r\n']) {
    const { status, headers } = await sendRaw(open.port, head + asking);
    assert.deepEqual([status, headers.has('signature'), headers.get('x-y')], [200, false, 'z'], head);
  }
  const good = await sendRaw(open.port, `GET / HTTP/1.1\r\nHost: a\r\n${asking}`);
  assert.deepEqual([good.status, good.headers.has('signature')], [200, true]);
});

it('an answer that is not bound to the signature of its request is not believed', async () => {
  const { signer, trusted } = pairOf('ed25519');
  const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
  const request = await keys.sign('rfc9421', { method: 'GET', url: URL_OF_API });
  const nowMs = keys.fed.clock.wall();
  const answer = { status: 204, headers: [] };
  const by = { keyid: signer.keyid, algorithm: signer.algorithm, nowMs };
  const believed = async (components: readonly string[]) => {
    const task = prepareResponse(answer, asReceived(request), { ...by, components });
    const headers = task.fields(signWith(null, task.base, signer.key));
    await verifyAnswer(trusted, { status: 204, headers, body: new Uint8Array() }, request, nowMs);
  };
  await believed([...RESPONSE_COMPONENTS, '"signature";req']);
  await assert.rejects(believed(RESPONSE_COMPONENTS), AnswerNotSigned);
});

it('answers are signed with each algorithm of RFC 9421 that has a public key', async () => {
  for (const algorithm of ['ed25519', 'ecdsa-p256-sha256', 'rsa-pss-sha512', 'rsa-v1_5-sha256'] as const) {
    const { signer, trusted } = pairOf(algorithm);
    const keys = new SigningVerifier([{ dialect: 'rfc9421' }]);
    const handle = createFetchGuard({ ...keys.guarded, answers: signer })(REQUIREMENT, () => new Response('done'));
    await using app = await overFetch(handle);
    const request = await keys.sign('rfc9421', { method: 'GET', url: URL_OF_API });
    await verifyAnswer(trusted, await app.send(request), request, keys.fed.clock.wall());
  }
});

it('the fetch that signs hands on only answers that are signed', async () => {
  const { signer, trusted } = pairOf('ed25519');
  const { privateKey } = generateKeyPairSync('ed25519');
  const handle = createFetchGuard({
    environment: 'a/b',
    verify: async () => ({ valid: true, code: 'VALID' }),
    dialects: [{ dialect: 'rfc9421' }],
    answers: signer,
  })(REQUIREMENT, () => new Response('done', { status: 201 }));
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const client = {
    dialect: 'rfc9421',
    credential: 'cred_1',
    key: { kind: 'private', algorithm: 'ed25519', key },
  } as const;
  const over = (change: (response: Response) => Response) =>
    createSigningFetch(
      client,
      async (input, init) => change(await handle(new Request(input as string, init))),
      trusted,
    );
  const served = await over((response) => response)(URL_OF_API);
  assert.deepEqual([served.status, await served.text()], [201, 'done']);
  await assert.rejects(over((response) => new Response('DONE', response))(URL_OF_API), AnswerNotSigned);
  await assert.rejects(over(() => new Response('done'))(URL_OF_API), AnswerNotSigned);
});

it('a client that checks answers asks for what it can check, of an API that compresses for whoever takes it', async () => {
  const { signer, trusted } = pairOf('ed25519');
  const verify = async () => ({ valid: true, code: 'VALID' }) as const;
  const options = { environment: 'a/b', scheme: 'http', verify, answers: signer } as const;
  const guard = createGuard({ ...options, dialects: [{ dialect: 'rfc9421' }] });
  const server = createServer((request, response) => {
    void guard(request, response, REQUIREMENT).then((verdict) => {
      if (verdict === null) return;
      if (!/gzip/.test(request.headers['accept-encoding'] ?? '')) return response.end('done');
      return response.setHeader('content-encoding', 'gzip').end(gzipSync('done'));
    });
  });
  await using api = await listening(server);
  const secret = Buffer.alloc(48).toString('base64');
  const client = { dialect: 'rfc9421', credential: 'cred_1', key: { kind: 'hmac', secret } } as const;
  const signed = createSigningFetch(client, fetch, trusted);
  const url = `http://127.0.0.1:${api.port}/v1/orders`;
  assert.equal(await (await signed(url)).text(), 'done');
  await assert.rejects(signed(url, { headers: { 'accept-encoding': 'gzip' } }), /came as gzip/);
});
