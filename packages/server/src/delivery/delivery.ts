import { hash } from 'node:crypto';
import { formatCredential, ONCE_PREFIX } from '@keyhold/protocol/credential-format';
import type { DeliveryState } from '@keyhold/protocol/operations/deliveries';
import type { DeliveryRow } from '../database/schema.ts';

export function newOnceToken(bytes: Uint8Array): string {
  return formatCredential(ONCE_PREFIX, bytes);
}

/** 256 random bits need no slow hash (DESIGN §6). */
export function onceDigest(token: string): string {
  return hash('sha256', token, 'hex');
}

/**
 * Subject of the row of a link to a version of a stored secret: whoever ends versions reads there which one it gives. By
 * the version's own id it would be one of Vault's wrapped answers.
 */
export function versionSubject(secretId: string, version: number): string {
  return `${secretId}/${version}`;
}

/** The version that such a subject names; null where it names none. */
export function versionOf(subject: string): number | null {
  const [, version] = subject.split('/', 2);
  return version === undefined ? null : Number(version);
}

/** What a delivery is of, in answers and entries: a link to a version is of the secret. */
export function subjectOf({ subject }: Pick<DeliveryRow, 'subject'>): string {
  return subject.split('/', 1)[0] as string;
}

/** Where it stands at `nowMs`, epoch milliseconds. */
export function stateOf(
  { envelope, taken_at, expires_at }: Pick<DeliveryRow, 'envelope' | 'taken_at' | 'expires_at'>,
  nowMs: number,
): DeliveryState {
  if (taken_at !== null) return 'taken';
  return envelope !== null && nowMs < expires_at ? 'waiting' : 'over';
}

/** A page that takes it on a click. A fragment is not sent to servers, so no log and no link preview has it. */
export function oncePath(token: string): string {
  return `/once#${token}`;
}
