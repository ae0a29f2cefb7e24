import { createHash } from 'node:crypto';
import type {
  Dialect,
  FieldLine,
  OutgoingRequest,
  ReceivedRequest,
  SignatureAlgorithm,
  SignedClaim,
  SigningContext,
} from '../dialect.ts';
import { isMalformed } from '../dialect.ts';
import type { DialectSettings } from '../settings.ts';
import { asReceived } from '../signing-task.ts';
import { keyFor, signWith } from './keys.ts';

export const NOW_MS = 1_785_000_000_123;

export function received(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> | readonly FieldLine[] = {},
  body: string | Uint8Array | null = '',
): ReceivedRequest {
  return {
    method,
    target,
    scheme: 'https',
    headers: Array.isArray(headers) ? headers : Object.entries(headers),
    body: typeof body === 'string' ? Buffer.from(body) : body,
  };
}

export function outgoing(method: string, url: string, body = '', headers: readonly FieldLine[] = []): OutgoingRequest {
  return { method, url, headers, body: Buffer.from(body) };
}

export function context(algorithm: SignatureAlgorithm, more: Partial<SigningContext> = {}): SigningContext {
  return {
    credential: 'cred_0123',
    algorithm,
    passphrase: 'open sesame',
    nowMs: NOW_MS,
    nonce: { text: 'f00dfeed', rising: 1_616_492_376_594n },
    digest: async (name, bytes) => createHash(name.replace('-', '')).update(bytes).digest(),
    ...more,
  };
}

/** Signs as a client does, and hands over what a server receives. */
export async function signed<S extends DialectSettings>(
  dialect: Dialect<S>,
  settings: S,
  request: OutgoingRequest,
  { algorithm, ...more }: Partial<SigningContext> & { algorithm: SignatureAlgorithm },
): Promise<ReceivedRequest> {
  const task = await dialect.prepare(request, context(algorithm, more), settings);
  return asReceived(task.attach(signWith(keyFor(algorithm), task, algorithm)));
}

/** The claim; throws where it is malformed. */
export function claimOf<S extends DialectSettings>(
  dialect: Dialect<S>,
  settings: S,
  request: ReceivedRequest,
): SignedClaim {
  if (!dialect.recognises(request, settings)) throw new Error(`${dialect.name} does not know its own`);
  const claim = dialect.read(request, settings);
  if (isMalformed(claim)) throw new Error(claim.malformed);
  return claim;
}
