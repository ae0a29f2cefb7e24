import type { IncomingMessage } from 'node:http';
import { isSymbol, type MarketSymbol } from './market.ts';

export interface Order {
  readonly symbol: MarketSymbol;
  readonly side: 'buy' | 'sell';
  readonly quantity: number;
}

const MAX_BODY_BYTES = 4096;

/** Reads an order from the body, or says what is wrong with it. */
export async function readOrder(request: IncomingMessage): Promise<Order | { readonly error: string }> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) return { error: 'The body is too large.' };
  }
  let body: Partial<Record<keyof Order, unknown>> | null;
  try {
    body = JSON.parse(text);
  } catch {
    return { error: 'The body is not JSON.' };
  }
  const { symbol, side, quantity } = body ?? {};
  if (typeof symbol !== 'string' || !isSymbol(symbol)) return { error: 'symbol looks like BTC-USD.' };
  if (side !== 'buy' && side !== 'sell') return { error: 'side is "buy" or "sell".' };
  if (typeof quantity !== 'number' || !(quantity > 0) || quantity > 1e6)
    return { error: 'quantity is a positive number.' };
  return { symbol, side, quantity };
}
