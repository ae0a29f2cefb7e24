import { accessDialect } from './access-headers.ts';
import { formatUtc, parseUtc } from './civil-time.ts';
import { CLOCK_AHEAD_MS, type DialectRefusal } from './dialect.ts';
import type { OkxSettings } from './settings.ts';

/**
 * OKX's style, version 5, over HTTP. That a request is good for 30 s is what OKX does; how far its clock may be ahead
 * ({@link CLOCK_AHEAD_MS}) is our choice, since it says nothing about that.
 * @see https://www.okx.com/docs-v5/en/#overview-rest-authentication
 */
export const okx = accessDialect<OkxSettings>({
  name: 'okx',
  prefix: 'OK-ACCESS',
  secretEncoding: 'utf8',
  aheadMs: CLOCK_AHEAD_MS,
  windowMs: 30_000,
  // All of one length, so that the method begins where they end.
  parseTime: (text) => (text.length === 24 ? parseUtc(text) : null),
  formatTime: formatUtc,
  refusals: {
    unauthenticated: answer(401, '50113', 'Invalid Sign'),
    time: answer(401, '50102', 'Timestamp request expired'),
    replay: answer(401, '50102', 'The request was received before'),
    network: answer(401, '50110', "Your IP is not in the API key's list of trusted addresses"),
    // Its own code is 50120, which ccxt does not know; to that this one says the same.
    permission: answer(401, '50027', "The API key doesn't have permission to use this function"),
    'second-factor': answer(401, '50027', 'This needs a second factor'),
    rate: answer(429, '50011', 'Too Many Requests'),
    unavailable: answer(503, '50013', 'Systems are busy. Please try again later'),
  },
});

function answer(status: number, code: string, msg: string): DialectRefusal {
  return { status, body: JSON.stringify({ code, data: [], msg }) };
}
