import { type Static, Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { Closed, IdOf, Name, Page, PageQuery, Time } from './shapes.ts';

export const APPROVAL_STATES = ['waiting', 'used', 'denied', 'withdrawn', 'over'] as const;

const Digest = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'SHA-256 of the canonical JSON of `{bodySha256, expiresAt, id, method, target, version: 2}`.',
});

export const ApprovalRequestShape = Closed({
  id: IdOf('approvalRequest'),
  by: IdOf('person'),
  byName: Type.String(),
  method: Type.String(),
  target: Type.String(),
  body: Type.String({ description: 'As it was sent; empty once it is decided.' }),
  digest: Digest,
  action: Type.String(),
  place: Type.String(),
  rule: Type.String({ description: 'The policy that takes approvals.' }),
  needed: Type.Integer({ description: 'How many.' }),
  reason: Type.String(),
  state: Type.Enum([...APPROVAL_STATES]),
  given: Type.Array(
    Closed({
      by: IdOf('person'),
      byName: Type.String(),
      verdict: Type.Enum(['approve', 'deny']),
      reason: Type.String(),
      at: Time,
    }),
  ),
  isOwn: Type.Boolean({ description: 'You asked for it.' }),
  expiresAt: Time,
  createdAt: Time,
});
export type ApprovalRequest = Static<typeof ApprovalRequestShape>;

const Params = Closed({ id: IdOf('approvalRequest') });

export const listApprovals = defineOperation({
  id: 'list-approvals',
  method: 'GET',
  path: '/v1/approvals',
  tag: 'People',
  summary: 'What you asked others to approve, and what you may approve yourself, newest first',
  query: Closed(PageQuery),
  status: 200,
  response: Page(ApprovalRequestShape),
  errors: ['INVALID_CURSOR'],
  isWatching: true,
});

export const approveRequest = defineOperation({
  id: 'approve-request',
  method: 'POST',
  path: '/v1/approvals/{id}/approve',
  tag: 'People',
  summary: 'Approve just this request of somebody else; your passkey signs its digest, and your reason',
  params: Params,
  body: Closed({ digest: Digest, reason: { ...Name, description: 'Why; for whoever reviews it.' } }),
  keepsSignature: true,
  status: 200,
  response: Closed({ request: ApprovalRequestShape }),
  errors: ['CONFIRMATION_REQUIRED', 'APPROVAL_NOT_FOUND', 'APPROVAL_OVER'],
});

export const denyRequest = defineOperation({
  id: 'deny-request',
  method: 'POST',
  path: '/v1/approvals/{id}/deny',
  tag: 'People',
  summary: 'Deny it: nobody else can approve it then; or withdraw what you asked for yourself',
  params: Params,
  body: Closed({ reason: { ...Name, description: 'Why; for whoever asked.' } }),
  status: 200,
  response: Closed({ request: ApprovalRequestShape }),
  errors: ['APPROVAL_NOT_FOUND', 'APPROVAL_OVER'],
});
