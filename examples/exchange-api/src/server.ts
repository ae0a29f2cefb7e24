import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import { recognise } from '@keyhold/protocol/dialects/dialects';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import type { Verdict, VerificationRequest } from '@keyhold/protocol/verdict';
import { Exchange } from './exchange.ts';
import { readParameters } from './parameters.ts';
import { BadParameter, type Parameters, type Route, routeOf, type Style } from './style.ts';
import { binance } from './styles/binance.ts';
import { bybit } from './styles/bybit.ts';
import { coinbase } from './styles/coinbase.ts';
import { coinbaseExchange } from './styles/coinbase-exchange.ts';
import { kraken } from './styles/kraken.ts';
import { okx } from './styles/okx.ts';

const STYLES: readonly Style[] = [binance, kraken, okx, bybit, coinbase, coinbaseExchange];
const MAX_BODY_BYTES = 64 * 1024;

export interface ExchangeOptions {
  /** Of an embedded verifier, or of a verifier client. */
  readonly verify: (request: VerificationRequest) => Promise<Verdict>;
  /** `project/environment` whose keys open this API. */
  readonly environment: string;
  /** As the environment has them: refused requests are answered in the words of the dialect that they came in. */
  readonly dialects: readonly DialectSettings[];
}

/** The guarded API. Each route says which permission it takes, and which parameter names where funds go. */
export function createExchangeApi(options: ExchangeOptions): Server {
  const exchange = new Exchange();
  return createServer((request, response) => {
    serve(options, exchange, request, response).catch(() => {
      if (!response.headersSent) send(response, 500, { message: 'Something went wrong.' });
    });
  });
}

async function serve(
  options: ExchangeOptions,
  exchange: Exchange,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = request.url ?? '/';
  // At the first one: what follows may hold another, and is signed with it.
  const mark = target.indexOf('?');
  const [path, query] = mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)];
  const found = routeOf(STYLES, request.method ?? 'GET', path);
  if (found === null) return send(response, 404, { message: 'There is nothing here.' });
  const body = await readBody(request);
  if (body === null) return send(response, 413, { message: 'The body is too large.' });
  const parameters = readParameters(query, body, request.headers['content-type'] ?? '');
  const received = receivedOf(request, target, body);
  // Who is refused is not told what else was wrong with his request.
  const verdict = await options.verify(
    asking(options, received, request, found.route, { ...parameters, ...found.own }),
  );
  if (!verdict.valid) return refuse(options, received, verdict, response);
  if (parameters === null) return send(response, 400, { message: 'A parameter comes twice, or the body is none.' });
  try {
    const account = exchange.accountOf(verdict.consumerId ?? '');
    send(response, 200, found.route.answer(account, { ...parameters, ...found.own }));
  } catch (error) {
    if (!(error instanceof BadParameter)) throw error;
    send(response, 400, { message: error.message });
  }
}

function asking(
  { environment }: ExchangeOptions,
  received: ReceivedRequest,
  request: IncomingMessage,
  { permission, destination }: Route,
  parameters: Parameters,
): VerificationRequest {
  return {
    request: received,
    environment,
    permission,
    clientIp: request.socket.remoteAddress,
    destination: destination === undefined ? undefined : parameters[destination],
  };
}

/** As it came: names in their case, repeated ones repeated, nothing decoded. */
function receivedOf(request: IncomingMessage, target: string, body: Buffer): ReceivedRequest {
  const headers: [string, string][] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    headers.push([request.rawHeaders[i] as string, request.rawHeaders[i + 1] as string]);
  }
  // TLS ends before this example.
  return { method: request.method ?? 'GET', target, scheme: 'https', headers, body };
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuse({ dialects }: ExchangeOptions, received: ReceivedRequest, { code }: Verdict, response: ServerResponse) {
  const recognised = recognise(dialects, received);
  if (recognised === null) return send(response, 401, { message: 'Sign your request.' });
  const { status, body } = recognised.dialect.refuse(code, recognised.settings);
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(body);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
