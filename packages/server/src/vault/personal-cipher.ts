import { open } from '@keyhold/verifier/open-envelope';
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import { seal } from './aead.ts';

/** What the personal parts of one subject's entries of one month are encrypted under. */
export interface PersonalKey {
  readonly id: string;
  readonly key: KeyObject;
  /** A key of its own for the index: one key is not used in two algorithms (SP 800-57 part 1 §5.2). */
  readonly index: KeyObject;
}

const TOKEN_BYTES = 16;

export function personalKey(id: string, key: KeyObject): PersonalKey {
  const derived = Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `keyhold/v1/personal-index/${id}`, 32));
  const index = createSecretKey(derived);
  derived.fill(0);
  return { id, key, index };
}

/** Bound to what the leaf commits to, which is another one in every entry: it opens beside that entry alone. */
export function sealSide(under: PersonalKey, plaintext: string, digest: string): string {
  return seal(under.key, Buffer.from(plaintext), bound(under, digest)).toString('hex');
}

/** Null where it does not open there. */
export function openSide(under: PersonalKey, body: string, digest: string): string | null {
  return open(under.key, Buffer.from(body, 'hex'), bound(under, digest))?.toString('utf8') ?? null;
}

/** The same value has the same token under one key, and tells nothing without it. */
export function personalToken(under: PersonalKey, value: string): string {
  return createHmac('sha256', under.index).update(value).digest().toString('hex', 0, TOKEN_BYTES);
}

function bound({ id }: PersonalKey, digest: string): Buffer {
  return Buffer.from(canonicalJson({ field: 'entry.side', key: id, digest }));
}
