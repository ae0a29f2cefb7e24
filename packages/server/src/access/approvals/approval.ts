import { hash } from 'node:crypto';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { ApprovalRow, ApprovalRequestRow } from '../../database/people-rows.ts';
import type { Resource } from '../principal.ts';

/** How long a request waits, and how long what was approved can be sent. */
export const WAITS_MS = 24 * 3_600_000;
/** Whoever was made, let enrol anew or made more by the one who asks approves nothing of his for so long. */
export const BARRED_MS = 24 * 3_600_000;
/** Of one person: none pushes out what another asked. */
export const MAX_WAITING = 20;
export const MAX_BODY_BYTES = 64 * 1024;

/** What is approved: just this, and nothing else. */
export interface Asked {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

/**
 * What approvers sign.
 * @param untilMs when it is over, whoever approved it
 */
export function digestOf(id: string, { method, target, body }: Asked, untilMs: number): string {
  const bodySha256 = hash('sha256', body, 'hex');
  const expiresAt = new Date(untilMs).toISOString();
  return hash('sha256', canonicalJson({ bodySha256, expiresAt, id, method, target, version: 2 }), 'hex');
}

export function isWaiting({ state, expires_at }: ApprovalRequestRow, nowMs: number): boolean {
  return state === 'waiting' && nowMs < expires_at;
}

export function isSame(row: ApprovalRequestRow, asked: Asked): boolean {
  return row.digest === digestOf(row.id, asked, row.expires_at);
}

export function resourceOf({ project_id, environment_id, secret }: ApprovalRequestRow): Resource {
  const place = { project: project_id, environment: environment_id };
  return secret === null ? place : { ...place, secret };
}

export function isApproving(row: ApprovalRow, request: ApprovalRequestRow): boolean {
  return row.verdict === 'approve' && row.digest === request.digest && row.person_id !== request.person_id;
}

export function noApproval(id: string): Refusal {
  return refuse('APPROVAL_NOT_FOUND', `Nothing that you may approve waits as ${id}.`, 'id');
}

export const OVER = refuse('APPROVAL_OVER', 'It is decided already, was used, or is over.');
