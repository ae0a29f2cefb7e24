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
 */
const ALG = 'ECDH-ES';
const ENC = 'A256GCM';
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
   * @throws BodyNotDecrypted where it is not the answer to this very request
   */
  open(answer: string): Promise<OpenedBody>;
}

export interface OpenedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** A request's body, opened, and what its answer is to be encrypted to. */
export interface OpenedRequest extends OpenedBody {
  /** Encrypts an answer to whoever sent this request, and to this request alone. */
  answer(body: Uint8Array | string, contentType: string): Promise<string>;
}

/** It is not encrypted to us, not by whom it says, or not whole. Nothing of it is served. */
export class BodyNotDecrypted extends Error {
  override readonly name = 'BodyNotDecrypted';
}

/** A pair for the server: the public half is for its clients, with its thumbprint (RFC 7638) as `kid`. */
export async function generateEncryptionKey(): Promise<{ readonly publicKey: JWK; readonly privateKey: JWK }> {
  const pair = await generateKeyPair(ALG, { crv: 'X25519', extractable: true });
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
  // A pair for one answer: who gets hold of it opens nothing else.
  const reply = await generateKeyPair(ALG, { crv: 'X25519' });
  const replyTo = await exportJWK(reply.publicKey);
  const header = { kid: to.kid, cty: contentType, sub: credential, reply: replyTo };
  const jwe = await encrypt(body, to, header);
  const open = async (answer: string) => {
    const { plaintext, header: answered } = await decrypt(answer, async () => reply.privateKey);
    if (answered['req'] !== (await digestOf(jwe))) throw new BodyNotDecrypted('this answers another request');
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
  const { plaintext, header } = await decrypt(jwe, async ({ kid }) => {
    const key = keys.find((candidate) => candidate.kid === kid);
    if (key === undefined) throw new BodyNotDecrypted('it is encrypted to a key that is not here');
    return await importJWK(key, ALG);
  });
  if (header['sub'] !== credential) throw new BodyNotDecrypted('somebody else encrypted it');
  const reply = header['reply'] as JWK | undefined;
  const req = await digestOf(jwe);
  const answer = async (body: Uint8Array | string, contentType: string) => {
    if (reply?.kty !== 'OKP' || reply.crv !== 'X25519') throw new BodyNotDecrypted('it names nothing to answer to');
    return await encrypt(body, { kty: reply.kty, crv: reply.crv, x: reply.x ?? '' }, { cty: contentType, req });
  };
  return { body: plaintext, contentType: String(header['cty'] ?? ''), answer };
}

async function encrypt(body: Uint8Array | string, to: JWK, header: Readonly<Record<string, unknown>>): Promise<string> {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const key = await importJWK(to, ALG);
  return await new CompactEncrypt(bytes).setProtectedHeader({ ...header, alg: ALG, enc: ENC }).encrypt(key);
}

type KeyFor = (header: { readonly kid?: string }) => Promise<Awaited<ReturnType<typeof importJWK>>>;

async function decrypt(jwe: string, keyFor: KeyFor) {
  if (jwe.length > MAX_JWE_CHARACTERS || jwe.indexOf('.') > MAX_HEADER_CHARACTERS) {
    throw new BodyNotDecrypted('it is too large');
  }
  try {
    const options = { keyManagementAlgorithms: [ALG], contentEncryptionAlgorithms: [ENC] };
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

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
