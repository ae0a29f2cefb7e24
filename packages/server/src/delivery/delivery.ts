import { hash } from 'node:crypto';
import { formatCredential, ONCE_PREFIX } from '@keyhold/protocol/credential-format';

export function newOnceToken(bytes: Uint8Array): string {
  return formatCredential(ONCE_PREFIX, bytes);
}

/** 256 random bits need no slow hash (DESIGN §6). */
export function onceDigest(token: string): string {
  return hash('sha256', token, 'hex');
}

/** A page that takes it on a click. A fragment is not sent to servers, so no log and no link preview has it. */
export function oncePath(token: string): string {
  return `/once#${token}`;
}
