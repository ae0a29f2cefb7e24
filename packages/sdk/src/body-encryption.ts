import {
  CompactEncrypt,
  calculateJwkThumbprint,
  compactDecrypt,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';

/**
 * Bodies that only the two ends can read, for APIs whose traffic passes through others' proxies: JWE (RFC 7516) in
 * compact form, ECDH-ES over X25519 (RFC 8037 §3.2) and AES-256-GCM. They are encrypted first and then signed, as what
 * is sent: the request's signature covers the JWE.
 *
 * What is encrypted to the server is 32 random bytes, then the body. The answer is encrypted with these bytes alone
 * (RFC 7518 §4.5, `dir`). INVARIANT: they are nowhere else, so that what opens as the answer is of somebody who read the
 * request: the client, or whoever has the server's private key.
 */
const TO_SERVER = 'ECDH-ES';
const TO_CLIENT = 'dir';
const ENC = 'A256GCM';
const REPLY_KEY_BYTES = 32;
export const ENCRYPTED_TYPE = 'application/jose';
/** Before it is decrypted: about as large as a body that is signed whole may be. */
const MAX_JWE_CHARACTERS = 2 * 1024 * 1024;
const MAX_HEADER_CHARACTERS = 4_096;

/** A body that is encrypted to the server, and what opens the server's answer. */
export interface EncryptedRequest {
  readonly body: string;
  readonly contentType: typeof ENCRYPTED_TYPE;
  /**
   * The answer as it was before it was encrypted.
   * @throws BodyNotDecrypted where it is not the answer to this very request, by somebody who could read it
   */
  open(answer: string): Promise<OpenedBody>;
}

export interface OpenedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** A request's body, opened. */
export interface OpenedRequest extends OpenedBody {
  /** Encrypts an answer for whoever sent this request, and to this request alone. */
  answer(body: Uint8Array | string, contentType: string): Promise<string>;
}

/** It is not encrypted to us, not by whom it says, or not whole. Nothing of it is served. */
export class BodyNotDecrypted extends Error {
  override readonly name = 'BodyNotDecrypted';
}

/** A pair for the server: the public half is for its clients, with its thumbprint (RFC 7638) as `kid`. */
export async function generateEncryptionKey(): Promise<{ readonly publicKey: JWK; readonly privateKey: JWK }> {
  const pair = await generateKeyPair(TO_SERVER, { crv: 'X25519', extractable: true });
  const [publicKey, privateKey] = [await exportJWK(pair.publicKey), await exportJWK(pair.privateKey)];
  const kid = await calculateJwkThumbprint(publicKey);
  return { publicKey: { ...publicKey, kid }, privateKey: { ...privateKey, kid } };
}

/**
 * Encrypts a request's body; sign the request afterwards.
 * @param credential id of the credential that signs: the body is of no use under another's signature
 */
export async function encryptRequestBody(
  body: Uint8Array | string,
  { to, credential, contentType }: { readonly to: JWK; readonly credential: string; readonly contentType: string },
): Promise<EncryptedRequest> {
  // For the answers to one request: who gets hold of it opens nothing else.
  const replyKey = crypto.getRandomValues(new Uint8Array(REPLY_KEY_BYTES));
  const header = { alg: TO_SERVER, kid: to.kid, cty: contentType, sub: credential, reply: ENC };
  const jwe = await encrypt(concat(replyKey, bytesOf(body)), await importJWK(to, TO_SERVER), header);
  const open = async (answer: string) => {
    const { plaintext, header: answered } = await decrypt(answer, TO_CLIENT, async () => replyKey);
    return { body: plaintext, contentType: String(answered['cty'] ?? '') };
  };
  return { body: jwe, contentType: ENCRYPTED_TYPE, open };
}

/**
 * Opens a request's body, once the request was verified.
 * @param keys private keys of the server; several while they are rotated
 * @param credential of the verdict: whoever signed is whom the body was encrypted by
 * @throws BodyNotDecrypted
 */
export async function openRequestBody(jwe: string, keys: readonly JWK[], credential: string): Promise<OpenedRequest> {
  const { plaintext, header } = await decrypt(jwe, TO_SERVER, async ({ kid }) => {
    const key = keys.find((candidate) => candidate.kid === kid);
    if (key === undefined) throw new BodyNotDecrypted('it is encrypted to a key that is not here');
    return await importJWK(key, TO_SERVER);
  });
  if (header['sub'] !== credential) throw new BodyNotDecrypted('somebody else encrypted it');
  if (header['reply'] !== ENC || plaintext.length < REPLY_KEY_BYTES) {
    throw new BodyNotDecrypted('it brings no key for its answer');
  }
  const replyKey = plaintext.slice(0, REPLY_KEY_BYTES);
  const answer = (body: Uint8Array | string, contentType: string) =>
    encrypt(bytesOf(body), replyKey, { alg: TO_CLIENT, cty: contentType });
  return { body: plaintext.slice(REPLY_KEY_BYTES), contentType: String(header['cty'] ?? ''), answer };
}

type Key = Awaited<ReturnType<typeof importJWK>>;
type Header = Readonly<Record<string, unknown>> & { readonly alg: string };

async function encrypt(body: Uint8Array, key: Key, header: Header): Promise<string> {
  return await new CompactEncrypt(body).setProtectedHeader({ ...header, enc: ENC }).encrypt(key);
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

type KeyFor = (header: { readonly kid?: string }) => Promise<Key>;

async function decrypt(jwe: string, alg: string, keyFor: KeyFor) {
  if (jwe.length > MAX_JWE_CHARACTERS || jwe.indexOf('.') > MAX_HEADER_CHARACTERS) {
    throw new BodyNotDecrypted('it is too large');
  }
  try {
    const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [ENC] };
    const { plaintext, protectedHeader } = await compactDecrypt(
      jwe,
      (header: { kid?: string }) => keyFor(header),
      options,
    );
    return { plaintext, header: protectedHeader as Readonly<Record<string, unknown>> };
  } catch (error) {
    if (error instanceof BodyNotDecrypted) throw error;
    throw new BodyNotDecrypted('it is not encrypted to us, or not whole');
  }
}
