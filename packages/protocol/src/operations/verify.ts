import { type Static, Type } from 'typebox';
import { DIALECT_NAMES } from '../dialects/settings.ts';
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
  scope: Type.Optional(
    Type.Enum(['verifier', 'installation'], { description: 'Within what limits and quota are exact.' }),
  ),
  dialect: Type.Optional(Type.Enum([...DIALECT_NAMES], { description: 'How the request was signed.' })),
  clockSkewMs: Type.Optional(Type.Integer({ description: "How far the signer's clock was behind." })),
  bodyDigests: Type.Optional(
    Type.Array(
      Closed({ algorithm: Type.Enum(['sha-256', 'sha-512']), value: Type.String({ description: 'Base64.' }) }),
      {
        description: 'Signed digests of a body that was not handed over: whoever has it must check them.',
      },
    ),
  ),
  reason: Type.Optional(
    Type.String({ description: "Why it is malformed; for the operator's log, not for the client." }),
  ),
  stale: Type.Optional(Type.Literal(true, { description: 'Decided after the lease was over.' })),
});

const FieldLine = Type.Array(Type.String(), { minItems: 2, maxItems: 2 });

/** A body as large as an order or a withdrawal will ever be; what is larger is signed by its digest. */
export const MAX_SIGNED_BODY_BYTES = 1024 * 1024;

/**
 * How long what a client sent may be, in characters and lines. No bounds of the schema: what is beyond them is the
 * client's doing and MALFORMED, where a mistake of the caller's would refuse all of a batch.
 */
export const CLIENT_LIMITS = { key: 500, method: 32, target: 16_384, lines: 200, line: 16_384 } as const;

const SignedRequest = Closed({
  method: Type.String({ description: `1 to ${CLIENT_LIMITS.method} characters; any other is \`MALFORMED\`.` }),
  target: Type.String({
    description: `Path and query as the request line had them; what is empty, or longer than ${CLIENT_LIMITS.target} characters, is \`MALFORMED\`.`,
  }),
  scheme: Type.Optional(Type.Enum(['https', 'http'], { default: 'https' })),
  headers: Type.Array(FieldLine, {
    description: `Field lines as received: \`[name, value]\`, in order. More than ${CLIENT_LIMITS.lines}, or a name or value of more than ${CLIENT_LIMITS.line} characters, is \`MALFORMED\`.`,
  }),
  body: Type.Optional(
    Type.Union([Type.String({ description: 'Base64; what is longer than 1 MiB is `MALFORMED`.' }), Type.Null()], {
      description: 'Left out: there is none. Null: not read; the verdict then says which digests it has to have.',
    }),
  ),
});

const SecondFactor = Closed({ otp: Type.String({ maxLength: 32, description: 'One-time code.' }) });

/** In characters. */
export const DESTINATION_LENGTHS = { minLength: 1, maxLength: 200 };
export const CLIENT_IP_LENGTHS = { minLength: 2, maxLength: 45 };

const ToVerify = Closed({
  key: Type.Optional(
    Type.String({
      description: `The credential as the client sent it; what is longer than ${CLIENT_LIMITS.key} characters is \`MALFORMED\`.`,
    }),
  ),
  request: Type.Optional(SignedRequest),
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
  clientIp: Type.Optional(Type.String(CLIENT_IP_LENGTHS)),
  destination: Type.Optional(
    Type.String({
      ...DESTINATION_LENGTHS,
      description: "Where a withdrawal goes; held against the key's address book.",
    }),
  ),
  cost: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000, default: 1 })),
  secondFactor: Type.Optional(SecondFactor),
});
export type ToVerify = Static<typeof ToVerify>;

/** Served by the verifier process, not by the control plane. */
export const verify = defineOperation({
  id: 'verify',
  method: 'POST',
  path: '/v1/verify',
  tag: 'Verification',
  summary: 'Decide one request, by its key or by its signature; a refusal is a 200 with `valid: false` and a code',
  body: ToVerify,
  maxBodyBytes: 2 * MAX_SIGNED_BODY_BYTES,
  status: 200,
  response: VerdictShape,
  errors: ['ENVIRONMENT_NOT_FOUND', 'BODY_TOO_LARGE'],
});

const MAX_BATCH = 1_000;

export const verifyBatch = defineOperation({
  id: 'verify-batch',
  method: 'POST',
  path: '/v1/verify/batch',
  tag: 'Verification',
  summary: 'Decide many requests, each as if it came alone; the verdicts are in their order',
  body: Closed({ requests: Type.Array(ToVerify, { minItems: 1, maxItems: MAX_BATCH }) }),
  maxBodyBytes: 8 * MAX_SIGNED_BODY_BYTES,
  status: 200,
  response: Closed({ verdicts: Type.Array(VerdictShape) }),
  errors: ['ENVIRONMENT_NOT_FOUND', 'BODY_TOO_LARGE'],
});
