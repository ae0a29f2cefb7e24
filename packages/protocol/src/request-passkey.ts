import { canonicalJson } from './canonical-json.ts';
import { fromBase64Url, toBase64Url, toBytes, toText } from './dialects/bytes.ts';
import type { FieldLine } from './dialects/dialect.ts';

/**
 * A passkey that confirms one request: its holder signs a challenge that is the digest of that request, so that it is of
 * use for no other (WebAuthn §13.4.3 wants a challenge that nobody can guess; here nobody can choose it, either).
 */

/** Field of a request; its value is {@link writePasskey}'s. */
export const PASSKEY_HEADER = 'keyhold-passkey';
/** A confirmation is good for so long after it was made, by the clock of the one who made it. */
export const PASSKEY_WINDOW_MS = 120_000;
/** Longest value of the field that is read. */
export const MAX_PASSKEY_CHARS = 16_384;

/** The request that is confirmed. */
export interface ConfirmedRequest {
  /** As it is sent. */
  readonly method: string;
  /** Path and query, as they are sent. */
  readonly target: string;
  /** SHA-256 of the body, hex. */
  readonly bodySha256: string;
  /** Id of the credential that signs; of a bearer key its SHA-256, hex. */
  readonly credential: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What the challenge is the SHA-256 of. */
export function passkeyStatement({ method, target, bodySha256, credential, at }: ConfirmedRequest): Uint8Array {
  const statement = { at, bodySha256, credential, method, statement: 'confirm request', target, version: 1 };
  return toBytes(canonicalJson(statement));
}

/** An answer of `navigator.credentials.get`, as WebAuthn §5.1.8 writes it in JSON; only what is looked at. */
export interface PasskeyAssertion {
  /** Of the passkey, base64url. */
  readonly id: string;
  readonly response: {
    readonly clientDataJSON: string;
    readonly authenticatorData: string;
    readonly signature: string;
  };
}

export interface SentPasskey {
  readonly at: number;
  readonly assertion: PasskeyAssertion;
}

/** The value of the field. */
export function writePasskey({ at, assertion }: SentPasskey): string {
  const { id, response } = assertion;
  const { clientDataJSON, authenticatorData, signature } = response;
  const sent = { at, assertion: { id, response: { clientDataJSON, authenticatorData, signature } } };
  return toBase64Url(toBytes(JSON.stringify(sent)));
}

/** Null where there is none, more than one, or one that is none. */
export function readPasskey(headers: readonly FieldLine[]): SentPasskey | null {
  const found = headers.filter(
    ([name]) => name.length === PASSKEY_HEADER.length && name.toLowerCase() === PASSKEY_HEADER,
  );
  const value = found.length === 1 ? found[0]?.[1] : undefined;
  if (value === undefined || value.length > MAX_PASSKEY_CHARS) return null;
  const bytes = fromBase64Url(value);
  const text = bytes === null ? null : toText(bytes);
  if (text === null) return null;
  try {
    const { at, assertion } = JSON.parse(text) as Partial<SentPasskey>;
    const { id, response } = assertion ?? {};
    const { clientDataJSON, authenticatorData, signature } = response ?? {};
    if (!Number.isSafeInteger(at) || ![id, clientDataJSON, authenticatorData, signature].every(isBase64Url))
      return null;
    return { at, assertion: { id, response: { clientDataJSON, authenticatorData, signature } } } as SentPasskey;
  } catch {
    return null;
  }
}

function isBase64Url(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]+$/.test(value);
}
