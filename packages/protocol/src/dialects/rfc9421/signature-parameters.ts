import type { Malformed, SignatureAlgorithm } from '../dialect.ts';
import { malformed } from './malformed.ts';
import { type BareItem, type ItemParameters, integer, text } from './structured-field.ts';

/** Metadata of a signature (RFC 9421 §2.3). Times are epoch seconds. */
export interface SignatureParameters {
  readonly created?: number;
  readonly expires?: number;
  readonly nonce?: string;
  readonly alg?: SignatureAlgorithm;
  readonly keyid?: string;
  readonly tag?: string;
}

/** What RFC 9421 §6.2.2 has a name for, and we verify: a signature without `alg` may be any of these. */
export const ALGORITHMS = [
  'hmac-sha256',
  'ed25519',
  'ecdsa-p256-sha256',
  'rsa-pss-sha512',
  'rsa-v1_5-sha256',
] as const satisfies readonly SignatureAlgorithm[];

export const MAX_TEXT_CHARS = 256;
/** The end of the year 9999: milliseconds of every such time are exact numbers. */
const LAST_SECOND = 253_402_300_799;

/** Parameters by name, each of its type; an unknown one could change what the signature means and is refused. */
export function readParameters(parameters: ItemParameters): SignatureParameters | Malformed {
  const read: Record<string, string | number> = {};
  for (const [name, bare] of parameters) {
    const value = parameterValue(name, bare);
    if (value === null) return malformed(`signature parameter ${name.slice(0, 64)} is unknown or not of its type`);
    read[name] = value;
  }
  return read;
}

/** In the order created, expires, keyid, alg, nonce, tag; what is left out is not written. */
export function parametersOf({ created, expires, keyid, alg, nonce, tag }: SignatureParameters): ItemParameters {
  const parameters = new Map<string, BareItem>();
  if (created !== undefined) parameters.set('created', integer(created));
  if (expires !== undefined) parameters.set('expires', integer(expires));
  for (const [name, value] of Object.entries({ keyid, alg, nonce, tag })) {
    if (value !== undefined) parameters.set(name, text(value));
  }
  return parameters;
}

export function isAlgorithm(name: string): name is SignatureAlgorithm {
  return ALGORITHMS.some((algorithm) => algorithm === name);
}

/** The value, or null where it is not as RFC 9421 §2.3 has it, or longer than anybody needs. */
function parameterValue(name: string, bare: BareItem): string | number | null {
  if (name === 'created' || name === 'expires') {
    return bare.type === 'integer' && bare.value >= 0 && bare.value <= LAST_SECOND ? bare.value : null;
  }
  if (bare.type !== 'string' || bare.value === '' || bare.value.length > MAX_TEXT_CHARS) return null;
  if (name === 'alg') return isAlgorithm(bare.value) ? bare.value : null;
  return name === 'nonce' || name === 'keyid' || name === 'tag' ? bare.value : null;
}
