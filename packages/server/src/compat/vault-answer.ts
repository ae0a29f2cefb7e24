import { randomUUID } from 'node:crypto';
import { ERRORS, type ErrorCode, type Refusal } from '@keyhold/protocol/errors';

/** An answer as clients of Vault read it. */
export interface VaultAnswer {
  readonly status: number;
  /** Null: 204. */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** Of the entry that what was done has; its receipt is offered as by any other answer. */
  readonly sequence?: number;
  /** Id of the version of a stored secret, or of the secret id, that the body carries. */
  readonly carries?: string;
}

export const NO_CONTENT: VaultAnswer = { status: 204, body: null };

/** Data in Vault's envelope. */
export function data(content: unknown, status = 200): VaultAnswer {
  return { status, body: { ...ENVELOPE, request_id: randomUUID(), data: content } };
}

const ENVELOPE = {
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data: null,
  wrap_info: null,
  warnings: null,
  auth: null,
} as const;

/** An answer whose other members are given too. */
export function envelope(members: Partial<Record<keyof typeof ENVELOPE, unknown>>): VaultAnswer {
  return { status: 200, body: { ...ENVELOPE, request_id: randomUUID(), ...members } };
}

/** `{"errors": […]}`; without any for what isn't there, which is how clients tell the two apart. */
export function errors(status: number, ...messages: readonly string[]): VaultAnswer {
  return { status, body: { errors: messages } };
}

export const NOT_THERE = errors(404);
export const PERMISSION_DENIED = errors(403, 'permission denied');

/** Statuses that clients of Vault expect, where they differ from ours. */
const STATUS_OF: Partial<Record<ErrorCode, number>> = { CAS_MISMATCH: 400, UNAUTHENTICATED: 403 };
const MESSAGE_OF: Partial<Record<ErrorCode, string>> = {
  CAS_MISMATCH: 'check-and-set parameter did not match the current version',
  UNAUTHENTICATED: 'permission denied',
  FORBIDDEN: 'permission denied',
  SEALED: 'Vault is sealed',
};

/** A refusal of ours. What a caller may not see isn't there. */
export function refusalAnswer({ refused, detail }: Refusal): VaultAnswer {
  const status = STATUS_OF[refused] ?? ERRORS[refused].status;
  if (status === 404) return NOT_THERE;
  return errors(status, MESSAGE_OF[refused] ?? detail);
}
