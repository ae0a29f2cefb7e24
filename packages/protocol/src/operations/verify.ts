import { Type } from 'typebox';
import { defineOperation } from '../operation.ts';
import { MAX_EXPRESSION_LENGTH } from '../permission.ts';
import { QUOTA_PERIODS } from '../state.ts';
import { VERDICT_CODES } from '../verdict.ts';
import { Closed, Time } from './shapes.ts';

export const VerdictShape = Closed({
  valid: Type.Boolean(),
  code: Type.Enum([...VERDICT_CODES]),
  keyId: Type.Optional(Type.String()),
  credentialId: Type.Optional(Type.String()),
  consumerId: Type.Optional(Type.String()),
  permissions: Type.Optional(Type.Array(Type.String())),
  rateLimits: Type.Optional(
    Type.Array(
      Closed({
        name: Type.String(),
        limit: Type.Integer(),
        remaining: Type.Integer(),
        resetSeconds: Type.Integer(),
        retryAfterSeconds: Type.Optional(Type.Integer()),
      }),
    ),
  ),
  quota: Type.Optional(
    Closed({
      limit: Type.Integer(),
      remaining: Type.Integer(),
      period: Type.Enum([...QUOTA_PERIODS]),
      resetsAt: Time,
    }),
  ),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  scope: Type.Optional(Type.Literal('verifier', { description: 'Limits are exact within this verifier.' })),
  stale: Type.Optional(Type.Literal(true, { description: 'Decided after the lease was over.' })),
});

/** Served by the verifier process, not by the control plane. */
export const verify = defineOperation({
  id: 'verify',
  method: 'POST',
  path: '/v1/verify',
  tag: 'Verification',
  summary: 'Decide one request; a refusal is a 200 with `valid: false` and a code',
  body: Closed({
    key: Type.String({ maxLength: 500, description: 'The credential as the client sent it.' }),
    environment: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 127,
        description:
          '`project/environment`; a bare name for a token bound to one project; left out by one bound to one environment.',
      }),
    ),
    permission: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: MAX_EXPRESSION_LENGTH,
        description: 'Permissions joined by `and`, `or`, parentheses.',
      }),
    ),
    clientIp: Type.Optional(Type.String({ minLength: 2, maxLength: 45 })),
    cost: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000, default: 1 })),
  }),
  status: 200,
  response: VerdictShape,
  errors: ['ENVIRONMENT_NOT_FOUND'],
});
