import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { WitnessSettings } from './settings.ts';
import type { Answer, Witness } from './witness.ts';

/** 63 hashes, and a note with 64 signatures of the longest kind. */
const MAX_BODY_BYTES = 256 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Logs come every second or so, and "witnesses SHOULD support HTTP keep-alive". */
const KEEP_ALIVE_MS = 75_000;
const MAX_CONNECTIONS = 1_000;

/** A witness that serves. */
export interface ServedWitness extends AsyncDisposable {
  /** `http(s)://host:port`: submission and monitoring prefix alike. */
  readonly url: string;
}

export async function serveWitness(
  witness: Witness,
  { host, port, tls }: Pick<WitnessSettings, 'host' | 'port' | 'tls'>,
  failed: (error: unknown) => void,
): Promise<ServedWitness> {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    reply(witness, request, response).catch((error: unknown) => {
      failed(error);
      // No cosignature leaves: whatever failed may have been the writing down.
      if (response.headersSent) response.destroy();
      else send(response, { status: 500, type: 'text/plain', body: 'something went wrong here\n' });
    });
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port, host);
  await once(server, 'listening');
  const { port: taken } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http${tls === undefined ? '' : 's'}://${name}:${taken}`,
    [Symbol.asyncDispose]: () => close(server),
  };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  // An answer is made in one step: there is none to wait for.
  server.closeAllConnections();
  await closed;
}

const JSON_TYPE = 'application/json';
const NOT_FOUND: Answer = { status: 404, type: 'text/plain', body: 'there is nothing here\n' };

async function reply(witness: Witness, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?')[0] as string;
  if (path === '/add-checkpoint') {
    if (request.method !== 'POST') return send(response, { ...NOT_FOUND, status: 405, body: 'POST it\n' });
    const body = await readBody(request);
    if (body !== null) return send(response, witness.addCheckpoint(body));
    response.setHeader('connection', 'close');
    return send(response, { status: 413, type: 'text/plain', body: 'too long for a checkpoint\n' });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, NOT_FOUND);
  send(response, get(witness, path));
}

function get(witness: Witness, path: string): Answer {
  if (path === '/health/live') return { status: 200, type: JSON_TYPE, body: '{"status":"live"}\n' };
  if (path === '/alarms') {
    return { status: 200, type: JSON_TYPE, body: `${JSON.stringify({ alarms: witness.alarms() })}\n` };
  }
  const hash = /^\/([0-9a-f]{64})\/checkpoint$/.exec(path)?.[1];
  const note = hash === undefined ? null : witness.checkpoint(hash);
  return note === null ? NOT_FOUND : { status: 200, type: 'text/plain; charset=utf-8', body: note };
}

/** Null where it is longer than any request is. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
