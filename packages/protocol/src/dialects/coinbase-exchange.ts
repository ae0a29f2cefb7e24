import { accessDialect } from './access-headers.ts';
import { CLOCK_AHEAD_MS, type DialectRefusal } from './dialect.ts';
import type { CoinbaseExchangeSettings } from './settings.ts';

const WINDOW_MS = 30_000;

/**
 * Coinbase Exchange's style. Its timestamp may be 30 seconds behind the server's; Coinbase lets it be as far ahead, we
 * do not ({@link CLOCK_AHEAD_MS}).
 * @see https://docs.cdp.coinbase.com/exchange/rest-api/authentication
 */
export const coinbaseExchange = accessDialect<CoinbaseExchangeSettings>({
  name: 'coinbase-exchange',
  prefix: 'CB-ACCESS',
  secretEncoding: 'base64',
  aheadMs: CLOCK_AHEAD_MS,
  windowMs: WINDOW_MS,
  // Seconds, with decimals where the client has them; a letter of the method ends them.
  parseTime: (text) => (/^[1-9]\d{9}(?:\.\d{1,9})?$/.test(text) ? Number(text) * 1000 : null),
  formatTime: (ms) => String(ms / 1000),
  refusals: {
    // ccxt's class goes by the status alone, 400 and 404 aside: it has no other exception for the first six of these,
    // and takes the 403 that Coinbase itself answers with for an exchange that is down.
    unauthenticated: answer(401, 'invalid signature'),
    time: answer(401, 'request timestamp expired'),
    replay: answer(401, 'request was received before'),
    network: answer(401, 'IP does not match IP whitelist'),
    permission: answer(401, 'Forbidden'),
    'second-factor': answer(401, 'second factor required'),
    rate: answer(429, 'Private rate limit exceeded'),
    unavailable: answer(503, 'Service unavailable'),
  },
});

function answer(status: number, message: string): DialectRefusal {
  return { status, body: JSON.stringify({ message }) };
}
