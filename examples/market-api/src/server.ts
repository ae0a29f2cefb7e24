import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Guard } from '@keyhold/sdk/guard';
import { candlesUntil, isSymbol, priceAt } from './market.ts';
import { readOrder } from './order.ts';

const CANDLES = 20;

/** The guarded API: prices, candles and orders of a synthetic market. Each route says which permission it takes. */
export function createMarketApi(guard: Guard): Server {
  return createServer((request, response) => {
    route(guard, request, response).catch(() => {
      if (!response.headersSent) send(response, 500, { code: 'INTERNAL', detail: 'Something went wrong.' });
    });
  });
}

async function route(guard: Guard, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const [, version, noun, symbol, ...rest] = path.split('/');
  const action = `${request.method} ${noun}`;
  if (path === '/health/live') return send(response, 200, { status: 'live' });
  if (version !== 'v1' || rest.length > 0) return notFound(response);
  if (action === 'GET prices' && symbol !== undefined) {
    if ((await guard(request, response, { permission: 'prices:read' })) !== null) sendPrice(response, symbol);
  } else if (action === 'GET candles' && symbol !== undefined) {
    if ((await guard(request, response, { permission: 'candles:read' })) !== null) sendCandles(response, symbol);
  } else if (action === 'POST orders' && symbol === undefined) {
    const verdict = await guard(request, response, { permission: 'orders:write' });
    if (verdict !== null) await placeOrder(request, response, verdict.consumerId ?? '');
  } else notFound(response);
}

function sendPrice(response: ServerResponse, symbol: string): void {
  if (!isSymbol(symbol)) return unknownSymbol(response);
  const now = Date.now();
  send(response, 200, { symbol, price: priceAt(symbol, now), at: new Date(now).toISOString(), synthetic: true });
}

function sendCandles(response: ServerResponse, symbol: string): void {
  if (!isSymbol(symbol)) return unknownSymbol(response);
  send(response, 200, { symbol, candles: candlesUntil(symbol, Date.now(), CANDLES), synthetic: true });
}

let orders = 0;

async function placeOrder(request: IncomingMessage, response: ServerResponse, consumer: string): Promise<void> {
  const order = await readOrder(request);
  if ('error' in order) return send(response, 400, { code: 'INVALID_ORDER', detail: order.error });
  const price = priceAt(order.symbol, Date.now());
  send(response, 201, { id: ++orders, consumer, ...order, price, status: 'filled', synthetic: true });
}

function unknownSymbol(response: ServerResponse): void {
  send(response, 404, { code: 'UNKNOWN_SYMBOL', detail: 'A symbol looks like BTC-USD.' });
}

function notFound(response: ServerResponse): void {
  send(response, 404, {
    code: 'NOT_FOUND',
    detail: 'GET /v1/prices/{symbol}, GET /v1/candles/{symbol}, POST /v1/orders',
  });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
