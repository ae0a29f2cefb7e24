import type { BasePart, OutgoingRequest, SignatureAlgorithm, SigningContext } from '@keyhold/protocol/dialects/dialect';
import { dialectNamed } from '@keyhold/protocol/dialects/dialects';
import type { DialectName, DialectSettings } from '@keyhold/protocol/dialects/settings';
import { type CryptoKey, digest, importPrivateKey, importSecret, type SigningKey, signWith } from './signing-key.ts';

/** Who signs, how, and with what. */
export interface Signer {
  /** A dialect, or its settings where the API has some of its own. */
  readonly dialect: DialectName | DialectSettings;
  /** Id of the credential: it is the API key that the dialect sends. */
  readonly credential: string;
  readonly key: SigningKey;
  /** Where the dialect sends one. */
  readonly passphrase?: string;
  /** One-time code of a second factor, where a request takes one. */
  readonly otp?: string;
  /** Epoch milliseconds; default: this machine's clock. */
  readonly now?: () => number;
  /** Asked once a request; default: random text, and microseconds that rise. */
  readonly nonce?: () => SigningContext['nonce'];
}

/** A request, before it is signed. */
export interface RequestToSign {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers?: Iterable<readonly [string, string]>;
  readonly body?: Uint8Array | string;
}

/**
 * Signs a request. What comes back is what has to be sent: byte for byte, with nothing added to its query or body.
 * @throws DOMException where the key does not sign, TypeError where the dialect can't be signed with it
 */
export async function signRequest(signer: Signer, request: RequestToSign): Promise<OutgoingRequest> {
  const settings =
    typeof signer.dialect === 'string' ? ({ dialect: signer.dialect } as DialectSettings) : signer.dialect;
  const algorithm = algorithmOf(signer.key, settings);
  const { credential, passphrase, otp } = signer;
  const nowMs = nowOf(signer);
  const outgoing = {
    method: request.method.toUpperCase(),
    url: request.url,
    headers: [...(request.headers ?? [])],
    body: bytesOf(request.body ?? ''),
  };
  const dialect = dialectNamed(settings.dialect);
  if (dialect === undefined) throw new TypeError(`there is no dialect "${settings.dialect}"`);
  const task = await dialect.prepare(
    outgoing,
    {
      ...{ credential, algorithm, nowMs, digest, nonce: signer.nonce?.() ?? newNonce(nowMs) },
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(otp === undefined ? {} : { otp }),
    },
    settings,
  );
  const key = await keyFor(signer.key, task.secretEncoding, algorithm);
  return task.attach(await signWith(key, algorithm, await joined(task.base)));
}

/** Epoch milliseconds. */
export function nowOf({ now = Date.now }: Pick<Signer, 'now'>): number {
  return now();
}

/** HMAC dialects differ in their hash; of a private key it is said with it. */
function algorithmOf(key: SigningKey, settings: DialectSettings): SignatureAlgorithm {
  if (key.kind === 'private') return key.algorithm;
  const long = settings.dialect === 'kraken' || (settings.dialect === 'hmac' && settings.hash === 'sha512');
  return long ? 'hmac-sha512' : 'hmac-sha256';
}

async function keyFor(key: SigningKey, encoding: 'utf8' | 'base64', algorithm: SignatureAlgorithm): Promise<CryptoKey> {
  if (key.kind === 'hmac') return await importSecret(key.secret, encoding, algorithm);
  return typeof key.key === 'string' ? await importPrivateKey(key.key, key.algorithm) : key.key;
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

async function joined(base: readonly BasePart[]): Promise<Uint8Array<ArrayBuffer>> {
  const parts = await Promise.all(base.map(resolved));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function resolved(part: BasePart): Promise<Uint8Array> {
  if (part instanceof Uint8Array) return part;
  if (typeof part === 'string') return new TextEncoder().encode(part);
  const bytes = await digest('sha-256', part.sha256);
  return part.hex === true ? new TextEncoder().encode(toHex(bytes)) : bytes;
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function newNonce(nowMs: number): SigningContext['nonce'] {
  return { text: toHex(crypto.getRandomValues(new Uint8Array(16))), rising: nextRising(nowMs) };
}

let lastRising = 0n;

/** Microseconds: above every other of this process, and of the one before it where the clock was not set back. */
function nextRising(nowMs: number): bigint {
  const now = BigInt(Math.floor(nowMs * 1000));
  lastRising = now > lastRising ? now : lastRising + 1n;
  return lastRising;
}
