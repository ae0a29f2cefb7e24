/**
 * A synthetic market: every number is computed from the symbol's letters and the time; none is or was a real price.
 * Any well-formed symbol has a price, and every answer says `synthetic`.
 */
export type MarketSymbol = string & { readonly __symbol?: true };

export function isSymbol(text: string): text is MarketSymbol {
  return /^[A-Z0-9]{2,10}(?:-[A-Z0-9]{2,10})?$/.test(text);
}

const MINUTE_MS = 60_000;

/** A round number between 10 and 90,000 that belongs to the symbol. */
function basePrice(symbol: MarketSymbol): number {
  let sum = 7;
  for (const letter of symbol) sum = (sum * 31 + letter.charCodeAt(0)) % 9_973;
  return (1 + (sum % 9)) * 10 ** (1 + (sum % 4));
}

/** Price at a moment: two slow waves around the base. */
export function priceAt(symbol: MarketSymbol, atMs: number): number {
  const base = basePrice(symbol);
  const wave = Math.sin(atMs / (97 * MINUTE_MS)) * 0.02 + Math.sin(atMs / (11 * MINUTE_MS)) * 0.005;
  return Math.round(base * (1 + wave) * 100) / 100;
}

export interface Candle {
  readonly openedAt: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

/** The last `count` one-minute candles, oldest first. */
export function candlesUntil(symbol: MarketSymbol, atMs: number, count: number): Candle[] {
  const last = atMs - (atMs % MINUTE_MS);
  return Array.from({ length: count }, (_, i) => {
    const start = last - (count - i) * MINUTE_MS;
    const prices = Array.from({ length: 7 }, (_, tenth) => priceAt(symbol, start + tenth * 10_000));
    return {
      openedAt: new Date(start).toISOString(),
      open: prices[0] as number,
      high: Math.max(...prices),
      low: Math.min(...prices),
      close: prices.at(-1) as number,
    };
  });
}
