import { toBase64 } from '../../log/base64.ts';
import type { BodyDigest, Malformed } from '../dialect.ts';
import { type Component, hasFlag, textParameter } from './component.ts';
import type { Fields } from './fields.ts';
import { malformed } from './malformed.ts';
import { isInnerList } from './structured-field.ts';

const DIGEST_BYTES: ReadonlyMap<BodyDigest['algorithm'], number> = new Map([
  ['sha-256', 32],
  ['sha-512', 64],
]);

/** Covers this message's own header field: neither the trailer nor the field of the request that it answers. */
export function coversDigest(component: Component): boolean {
  return component.name === 'content-digest' && !hasFlag(component, 'tr') && !hasFlag(component, 'req');
}

/**
 * Digests of the body that the signature binds (RFC 9530 §2, RFC 9421 §7.2.8).
 *
 * INVARIANT: each returned digest is in the signature base. With `key` only the named member is; anybody could have put
 * another beside it. Without `key` (also with `sf` or `bs`) it is the whole field.
 * @returns empty where none is covered and none is needed
 */
export function coveredDigests(
  headers: Fields,
  components: readonly Component[],
  body: Uint8Array | null,
): readonly BodyDigest[] | Malformed {
  const covering = components.filter(coversDigest);
  if (covering.length === 0) {
    // A body that was not read may be one.
    return body?.length === 0 ? [] : malformed('there is a body, and the signature does not cover content-digest');
  }
  const parsed = headers.dictionary('content-digest');
  // Told twice, another reader may take the other one.
  if (parsed === null || parsed.repeated) return malformed('Content-Digest is not a Dictionary of different keys');
  const keys = covering.map((component) => textParameter(component, 'key'));
  const digests: BodyDigest[] = [];
  for (const [algorithm, length] of DIGEST_BYTES) {
    const member = parsed.value.get(algorithm);
    if (member === undefined || !keys.some((key) => key === null || key === algorithm)) continue;
    const value = isInnerList(member) || member.item.type !== 'bytes' ? null : member.item.value;
    if (value?.length !== length) return malformed(`Content-Digest: ${algorithm} is not one`);
    digests.push({ algorithm, value });
  }
  return digests.length > 0 ? digests : malformed('the signature covers no digest by sha-256 or sha-512');
}

/** A Content-Digest field value. */
export function writeDigest({ algorithm, value }: BodyDigest): string {
  return `${algorithm}=:${toBase64(value)}:`;
}
