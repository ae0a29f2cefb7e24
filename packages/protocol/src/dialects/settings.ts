import { type Static, Type } from 'typebox';
import { Closed } from '../operations/shapes.ts';

/** How an environment lets requests be signed. */

const FieldName = Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$" });
/** Longest that settings can let a signed request be good. */
export const MAX_WINDOW_SECONDS = 600;
const WindowSeconds = Type.Integer({ minimum: 1, maximum: MAX_WINDOW_SECONDS });

/** HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530). */
export const Rfc9421Settings = Closed({
  dialect: Type.Literal('rfc9421'),
  /** What a signature has to cover at least; a body's digest always, where there is a body. */
  components: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      maxItems: 20,
      default: ['@method', '@target-uri'],
      description:
        'Components that a signature has to cover at least, as RFC 9421 §2 writes them; among them @method, and @target-uri, @request-target, or @path and @query.',
    }),
  ),
  maxAgeSeconds: Type.Optional({ ...WindowSeconds, default: 60 }),
  /** Only signatures with this tag are looked at (§2.3). */
  tag: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  nonce: Type.Optional(Type.Enum(['required', 'optional'], { default: 'optional' })),
});
export type Rfc9421Settings = Static<typeof Rfc9421Settings>;

const ExchangeSettings = <N extends string>(dialect: N) => Closed({ dialect: Type.Literal(dialect) });

export const BinanceSettings = ExchangeSettings('binance');
export type BinanceSettings = Static<typeof BinanceSettings>;
export const BybitSettings = ExchangeSettings('bybit');
export type BybitSettings = Static<typeof BybitSettings>;
export const OkxSettings = ExchangeSettings('okx');
export type OkxSettings = Static<typeof OkxSettings>;
export const KrakenSettings = ExchangeSettings('kraken');
export type KrakenSettings = Static<typeof KrakenSettings>;
export const CoinbaseExchangeSettings = ExchangeSettings('coinbase-exchange');
export type CoinbaseExchangeSettings = Static<typeof CoinbaseExchangeSettings>;
export const CoinbaseCdpSettings = Closed({
  dialect: Type.Literal('coinbase-cdp'),
  /** `host` of the `uri` claims; left out: the request's own authority. */
  host: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
});
export type CoinbaseCdpSettings = Static<typeof CoinbaseCdpSettings>;

/** An API's own HMAC scheme, in parts. */
export const HmacSettings = Closed({
  dialect: Type.Literal('hmac'),
  credentialHeader: FieldName,
  signatureHeader: FieldName,
  timestampHeader: FieldName,
  nonceHeader: Type.Optional(FieldName),
  /** What stands before the signature in its header, `sha256=`. */
  signaturePrefix: Type.Optional(Type.String({ maxLength: 32 })),
  signed: Type.Array(
    Type.Union([
      Type.Enum(['credential', 'timestamp', 'nonce', 'method', 'path', 'query', 'target', 'body', 'body-sha256-hex']),
      Closed({ text: Type.String({ maxLength: 64 }) }),
    ]),
    { minItems: 1, maxItems: 30, description: 'What is signed, in order; `{text}` stands for itself.' },
  ),
  hash: Type.Enum(['sha256', 'sha512']),
  secretEncoding: Type.Enum(['utf8', 'base64']),
  signatureEncoding: Type.Enum(['hex', 'base64', 'base64url']),
  timestampUnit: Type.Enum(['s', 'ms', 'rfc3339']),
  windowSeconds: WindowSeconds,
});
export type HmacSettings = Static<typeof HmacSettings>;

export const DialectSettings = Type.Union([
  Rfc9421Settings,
  BinanceSettings,
  BybitSettings,
  OkxSettings,
  KrakenSettings,
  CoinbaseExchangeSettings,
  CoinbaseCdpSettings,
  HmacSettings,
]);
export type DialectSettings = Static<typeof DialectSettings>;
export type DialectName = DialectSettings['dialect'];

/** Every dialect, as settings and verdicts name it. */
export const DIALECT_NAMES = [
  'rfc9421',
  'binance',
  'bybit',
  'okx',
  'kraken',
  'coinbase-exchange',
  'coinbase-cdp',
  'hmac',
] as const satisfies readonly DialectName[];
