import type { VerdictCode } from '../verdict.ts';
import type { DialectSettings } from './settings.ts';

/** How requests may be signed, in the words of RFC 9421 §6.2.2 where it has one. */
export const SIGNATURE_ALGORITHMS = [
  'hmac-sha256',
  'hmac-sha512',
  'ed25519',
  'ecdsa-p256-sha256',
  'rsa-pss-sha512',
  'rsa-v1_5-sha256',
] as const;
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

/** One field line, as received: name in any case, value without the white space around it. */
export type FieldLine = readonly [name: string, value: string];

/**
 * A request as it came over the wire. INVARIANT: nothing in it was decoded, folded, sorted or encoded again; a
 * signature is over bytes, and whoever changes them on the way decides what was signed.
 */
export interface ReceivedRequest {
  /** Case as received. */
  readonly method: string;
  /** The request target of the request line: `/path?query`, or absolute where the client spoke to a proxy. */
  readonly target: string;
  /** What the client connected with; nothing in a request says it. */
  readonly scheme: 'https' | 'http';
  /** In order, repeated names repeated. */
  readonly headers: readonly FieldLine[];
  /** Empty where there is none; null: not read here, and its digest is the caller's to check. */
  readonly body: Uint8Array | null;
}

/** A piece of what is signed: bytes, text as UTF-8, or the SHA-256 of bytes, as it is or as 64 small hex digits. */
export type BasePart = Uint8Array | string | { readonly sha256: Uint8Array; readonly hex?: true };

/** A digest of the body that the signature covers (RFC 9530). */
export interface BodyDigest {
  readonly algorithm: 'sha-256' | 'sha-512';
  readonly value: Uint8Array;
}

/** What a signed request claims; true only if its signature is. */
export interface SignedClaim {
  /** Id of the credential, as the client named it. */
  readonly credential: string;
  /** The signature base. Two requests of one credential with one base are one request, sent twice. */
  readonly base: readonly BasePart[];
  readonly signature: Uint8Array;
  /** What it may be signed with; the kind of the credential picks from these. */
  readonly algorithms: readonly SignatureAlgorithm[];
  /** How the text of a secret becomes the key of the HMAC. */
  readonly secretEncoding: SecretEncoding;
  /** ECDSA: fixed-width r ‖ s, or DER. */
  readonly ecdsaEncoding?: 'ieee-p1363' | 'der';
  /** Null: the dialect has no time, and only its nonce keeps it from being sent again. */
  readonly freshness: Freshness | null;
  readonly nonce: Nonce | null;
  /** Sent beside the signature, and compared with what was issued. */
  readonly passphrase?: string;
  /** One-time code of a second factor. */
  readonly otp?: string;
  /** Must be those of the body. */
  readonly digests: readonly BodyDigest[];
}

export type SecretEncoding = 'utf8' | 'base64';

/**
 * By how much a signer's clock may be ahead of ours, as Binance and Bybit have it. Nothing signed is accepted for that
 * long after whoever remembers nonces began to, so a longer one would be paid for at every start.
 */
export const CLOCK_AHEAD_MS = 1_000;

/** When a request is good, in epoch milliseconds by the clock of whoever verifies it. */
export interface Freshness {
  /** When it was signed, by the signer's clock. */
  readonly signedAt: number;
  /** Good only after this moment. */
  readonly after: number;
  /** Good up to and with this moment. */
  readonly until: number;
  /** The latest that `until` could be by other settings of the dialect; left out: it has none that change it. */
  readonly longest?: number;
}

export type Nonce =
  /** Good once for the credential, within its freshness. */
  | { readonly kind: 'once'; readonly value: string }
  /** Good where it is above every other of the credential; unsigned, at most 64 bits. */
  | { readonly kind: 'rising'; readonly value: bigint };

/** Marked as of this dialect, and not as the dialect has it. The text is for the operator. */
export interface Malformed {
  readonly malformed: string;
}

/** What the server answers to a refused request in the dialect's own words. */
export interface DialectRefusal {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
}

/** A request before it is signed. */
export interface OutgoingRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: readonly FieldLine[];
  readonly body: Uint8Array;
}

/** With what, and when, a client signs. */
export interface SigningContext {
  readonly credential: string;
  readonly algorithm: SignatureAlgorithm;
  readonly passphrase?: string;
  readonly otp?: string;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** Fresh random text, and a number above every other that this client used. */
  readonly nonce: { readonly text: string; readonly rising: bigint };
  readonly digest: (algorithm: 'sha-256' | 'sha-512', bytes: Uint8Array) => Promise<Uint8Array>;
}

/** What to sign, and where the signature goes. */
export interface SigningTask {
  readonly base: readonly BasePart[];
  readonly secretEncoding: SecretEncoding;
  readonly ecdsaEncoding?: 'ieee-p1363' | 'der';
  attach(signature: Uint8Array): OutgoingRequest;
}

/** One way of signing requests: reads it, writes it, and words its refusals. Pure: whoever calls it has the keys. */
export interface Dialect<S extends DialectSettings = DialectSettings> {
  readonly name: S['dialect'];
  /** True where the request bears the dialect's marks, well-formed or not. */
  recognises(request: ReceivedRequest, settings: S): boolean;
  read(request: ReceivedRequest, settings: S): SignedClaim | Malformed;
  prepare(request: OutgoingRequest, context: SigningContext, settings: S): Promise<SigningTask>;
  /** @param retryAfterSeconds where waiting helps */
  refuse(code: VerdictCode, settings: S, retryAfterSeconds?: number): DialectRefusal;
}

/** Of a claim, or of what one is made from. */
export function isMalformed(read: object): read is Malformed {
  return 'malformed' in read;
}
