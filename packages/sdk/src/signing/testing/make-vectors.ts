import { readFileSync } from 'node:fs';
import { isMalformed, type OutgoingRequest, type SignedClaim } from '@keyhold/protocol/dialects/dialect';
import { dialectNamed } from '@keyhold/protocol/dialects/dialects';
import type { DialectSettings } from '@keyhold/protocol/dialects/settings';
import { asReceived } from '@keyhold/protocol/dialects/signing-task';
import { flatten } from '@keyhold/protocol/dialects/testing/keys';
import { type Signer, signRequest } from '../sign-request.ts';
import { CASES } from './vector-cases.ts';
import type {
  KeyName,
  Vector,
  VectorBody,
  VectorCase,
  VectorFile,
  VectorKey,
  VectorRequest,
  VectorSigner,
} from './vector-format.ts';
import { REFUSALS } from './vector-refusals.ts';

const FOLDER = new URL('../../../../protocol/src/dialects/vectors/', import.meta.url);
/** What both SDKs, and whoever writes a third, sign byte for byte. */
export const VECTORS = new URL('signed-requests.json', FOLDER);

export const KEYS = readJson<{ readonly keys: Readonly<Record<KeyName, VectorKey>> }>(
  new URL('signing-keys.json', FOLDER),
).keys;

const ABOUT =
  'TEST VECTORS: requests as every Keyhold SDK signs them, with the keys of signing-keys.json. Written by ' +
  '`node packages/sdk/src/signing/testing/write-vectors.ts`.';

export function readJson<T>(file: URL): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

export function signerOf({ key, algorithm, nowMs, nonce, ...who }: VectorSigner): Signer {
  const { secret = '', privateKey = '' } = KEYS[key];
  return {
    ...who,
    key: algorithm === undefined ? { kind: 'hmac', secret } : { kind: 'private', algorithm, key: privateKey },
    now: () => nowMs,
    nonce: () => ({ text: nonce.text, rising: BigInt(nonce.rising) }),
  };
}

export function bodyOf(body: VectorBody): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.base64, 'base64');
}

export async function sign({ signer, request }: VectorCase): Promise<OutgoingRequest> {
  return await signRequest(signerOf(signer), { ...request, body: bodyOf(request.body) });
}

/** What a verifier reads in it. */
export function claimOf(settings: DialectSettings, signed: OutgoingRequest): SignedClaim {
  const dialect = dialectNamed(settings.dialect);
  const claim = dialect?.read(asReceived(signed), settings) ?? { malformed: 'there is no such dialect' };
  if (isMalformed(claim)) throw new Error(claim.malformed);
  return claim;
}

/** @param previous a signature that is not deterministic is kept from here while its base is the same */
export async function makeVectors(previous: VectorFile): Promise<VectorFile> {
  const known = new Map(previous.vectors.map((vector) => [vector.name, vector]));
  const vectors = [];
  for (const one of CASES) vectors.push(await vectorOf(one, known.get(one.name)));
  return { about: ABOUT, vectors, refused: REFUSALS };
}

async function vectorOf(one: VectorCase, previous: Vector | undefined): Promise<Vector> {
  const { algorithm } = one.signer;
  const deterministic = algorithm !== 'ecdsa-p256-sha256' && algorithm !== 'rsa-pss-sha512';
  const signed = await sign(one);
  const claim = claimOf(one.signer.dialect, signed);
  const base = flatten(claim.base).toString('base64');
  if (!deterministic && previous?.base === base) {
    const { signature, signed } = previous;
    return { ...one, deterministic, base, signature, signed };
  }
  const signature = Buffer.from(claim.signature).toString('base64');
  return { ...one, deterministic, base, signature, signed: written(signed) };
}

/** Text where it is text. */
export function written({ method, url, headers, body }: OutgoingRequest): VectorRequest {
  const text = Buffer.from(body).toString('utf8');
  const isText = Buffer.from(text).equals(body);
  return { method, url, headers, body: isText ? text : { base64: Buffer.from(body).toString('base64') } };
}

export function textOf(file: VectorFile): string {
  return `${JSON.stringify(file, null, 2)}\n`;
}
