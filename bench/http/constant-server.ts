// Answers POST /v1/verify with the verdict given as argument, in as much of the verifier process as `kind` says:
// `fastify` is its server, its route and its schemas around nothing; `bare` is node:http alone.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Response } from '@keyhold/protocol/operation';
import { verify } from '@keyhold/protocol/operations/verify';
import { logAccess } from '../../packages/server/src/http/access-log.ts';
import { createLog } from '../../packages/server/src/http/log.ts';
import { mount } from '../../packages/server/src/http/mount.ts';
import { createHttpServer } from '../../packages/server/src/http/server.ts';
import { serveQuestions } from '../measure/serve-questions.ts';

const [kind, verdict] = process.argv.slice(2) as [string, string];
const server = kind === 'fastify' ? await fastify() : await bare();
serveQuestions({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, {});

async function fastify(): Promise<Server> {
  const log = createLog('info', 'constant');
  const app = createHttpServer({ log, tls: undefined, trustedProxies: [], classify: () => null });
  logAccess(app, log, Math.random);
  const principal = { id: 'tok_constant' };
  const body = JSON.parse(verdict) as Response<typeof verify>;
  mount(app, { authenticate: async () => principal }, verify, async () => ({ body }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  return app.server;
}

async function bare(): Promise<Server> {
  const bytes = Buffer.from(verdict);
  const plain = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      JSON.parse(text);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
      response.end(bytes);
    });
  });
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  return plain;
}
