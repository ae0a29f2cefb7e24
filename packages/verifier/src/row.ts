/**
 * A row of the replica, in 32-bit words: a credential and, mostly, its key, so that a verification reads one place in
 * memory. A second credential of a key has a row of its own whose key part stays empty.
 */
export const ROW_WORDS = 32;

/** SHA-256 of the credential; as 16-bit units, the characters of `digest.ts`. */
export const DIGEST = 0;
export const DIGEST_UNITS = 16;
/** Number of the state, and flags. */
export const CREDENTIAL_HEAD = 8;
/** Row of the credential's key. */
export const KEY_ROW = 9;
/** Generation of that row when the credential was written: another one is another key's. */
export const KEY_GENERATION = 10;
/** Number of the state, bytes of networks, units of permissions, flags. */
export const KEY_HEAD = 11;
export const GENERATION = 12;
/** Where the state of its limits and quota lies in the slot table. */
export const SLOT = 13;
export const ENVIRONMENT = 14;
export const CONSUMER = 15;
export const RULES = 16;
/** Where the credential's uses are counted. */
export const TALLY = 17;
/** Networks, then permissions, as far as they fit. */
export const INLINE = 18;
export const INLINE_BYTES = (ROW_WORDS - INLINE) * 4;

/** Of both heads. */
export const STATE_MASK = 0xff;
/** This part of the row is in use. */
export const IN_USE = 0x2000000;
/** It has what few have, in a map beside. */
export const HAS_EXTRAS = 0x1000000;
/** Of a key's head. */
export const NETWORKS_SHIFT = 8;
export const PERMISSIONS_SHIFT = 16;
export const LENGTH_MASK = 0xff;

/** Beside the words, ids: of the row's key, of its credential, of the key's consumer. */
export const ROW_TEXTS = 3;
export const KEY_TEXT = 0;
export const CREDENTIAL_TEXT = 1;
export const CONSUMER_TEXT = 2;
