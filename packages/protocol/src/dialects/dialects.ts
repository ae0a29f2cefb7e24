import { binance } from './binance.ts';
import { bybit } from './bybit.ts';
import { coinbaseCdp } from './coinbase-cdp.ts';
import { coinbaseExchange } from './coinbase-exchange.ts';
import type { Dialect, ReceivedRequest } from './dialect.ts';
import { hmac } from './hmac.ts';
import { kraken } from './kraken.ts';
import { okx } from './okx.ts';
import { rfc9421 } from './rfc9421/rfc9421.ts';
import type { DialectName, DialectSettings } from './settings.ts';

type SettingsOf<N extends DialectName> = Extract<DialectSettings, { dialect: N }>;

/** Every dialect, by its name in an environment's settings. */
export const DIALECTS: { readonly [N in DialectName]: Dialect<SettingsOf<N>> } = {
  rfc9421,
  binance,
  bybit,
  okx,
  kraken,
  'coinbase-exchange': coinbaseExchange,
  'coinbase-cdp': coinbaseCdp,
  hmac,
};

/** Undefined where there is none of this name. Its methods take the settings of the same name. */
export function dialectNamed(name: string): Dialect | undefined {
  // The table pairs each name with the settings of that name; the type of all of them together cannot say so.
  return Object.hasOwn(DIALECTS, name) ? (DIALECTS[name as keyof typeof DIALECTS] as Dialect) : undefined;
}

/** A dialect with the settings that an environment has for it. */
export interface Recognised {
  readonly dialect: Dialect;
  readonly settings: DialectSettings;
}

/**
 * The first of an environment's dialects whose marks a request bears, in the order of the settings; null where it
 * bears none. A request with the marks of two is of the first alone: read as that one it is good or it is not.
 */
export function recognise(settings: readonly DialectSettings[], request: ReceivedRequest): Recognised | null {
  for (const one of settings) {
    const dialect = dialectNamed(one.dialect);
    if (dialect?.recognises(request, one) === true) return { dialect, settings: one };
  }
  return null;
}
