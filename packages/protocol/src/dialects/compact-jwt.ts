import { fromBase64Url, toBytes, toText } from './bytes.ts';
import type { Malformed } from './dialect.ts';
import { malformed } from './fields.ts';
import { jsonMembers } from './json-members.ts';

/** A compact JWS (RFC 7515 §7.1), nothing of it verified. */
export interface CompactJwt {
  /** `header.payload`, as received (§5.2). */
  readonly signingInput: Uint8Array;
  readonly header: ReadonlyMap<string, string>;
  readonly claims: ReadonlyMap<string, string>;
  readonly signature: Uint8Array;
}

const LONGEST = 8192;

/** True where a token has three parts, and a header that names an algorithm. */
export function looksLikeJwt(token: string): boolean {
  const [header = '', ...rest] = token.slice(0, LONGEST + 1).split('.');
  return rest.length === 2 && membersOf(header)?.has('alg') === true;
}

/** Takes a token apart. Header and claims are objects that have each name once, see {@link jsonMembers}. */
export function readJwt(token: string): CompactJwt | Malformed {
  if (token.length > LONGEST) return malformed(`the token is longer than ${LONGEST} characters`);
  const [encodedHeader = '', encodedClaims = '', encodedSignature = '', ...more] = token.split('.');
  const [header, claims] = [membersOf(encodedHeader), membersOf(encodedClaims)];
  const signature = fromBase64Url(encodedSignature);
  if (header === null || claims === null) return malformed('header or claims are no JSON object with each name once');
  if (signature === null || signature.length === 0 || more.length > 0)
    return malformed('the signature is not Base64url');
  return { signingInput: toBytes(`${encodedHeader}.${encodedClaims}`), header, claims, signature };
}

function membersOf(encoded: string): ReadonlyMap<string, string> | null {
  const bytes = fromBase64Url(encoded);
  const text = bytes === null ? null : toText(bytes);
  return text === null ? null : jsonMembers(text);
}
