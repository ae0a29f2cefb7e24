import { isRefusal } from '@keyhold/protocol/errors';
import {
  ACCESS_TOKEN_TYPE,
  EXCHANGE_GRANT,
  EXCHANGE_PATH,
  type ExchangedToken,
  JWT_TYPE,
} from '@keyhold/protocol/operations/workloads';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { expose } from '../vault/expose.ts';
import { type Exchanging, exchangeToken } from './exchange-token.ts';

/** A JWT of some kilobytes, and its form. */
const MAX_BODY_BYTES = 16 * 1024;
const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
const ACCESS_TYPE = ACCESS_TOKEN_TYPE;

const TEXT = { type: 'string', maxLength: MAX_BODY_BYTES } as const;
const SCHEMA = {
  operationId: 'exchange-token',
  summary: "Exchange a workload's own token of its issuer for a short-lived one of ours (RFC 8693)",
  tags: ['Tokens'],
  security: [],
  body: {
    type: 'object',
    required: ['grant_type', 'subject_token', 'subject_token_type'],
    additionalProperties: false,
    properties: {
      grant_type: { const: EXCHANGE_GRANT },
      subject_token: TEXT,
      subject_token_type: { enum: [JWT_TYPE, ID_TOKEN_TYPE, ACCESS_TYPE] },
      requested_token_type: { const: ACCESS_TOKEN_TYPE },
      workload: { type: 'string', maxLength: 60, description: 'Its id, where the token is of several.' },
    },
  },
} as const;

interface Body {
  readonly subject_token: string;
  readonly workload?: string;
}

/** The one call that takes no token of ours: the other issuer's is what opens it. */
export function mountTokenExchange(app: FastifyInstance, exchanging: Exchanging): void {
  app.register((scope, _options, registered) => {
    // What OAuth clients send (RFC 8693 §2.1); a field that comes twice is an array, which no field is.
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
      (_request, body, done) => {
        const form = new URLSearchParams(String(body));
        done(null, Object.fromEntries([...new Set(form.keys())].map((name) => [name, onlyOf(form.getAll(name))])));
      },
    );
    scope.post<{ Body: Body }>(EXCHANGE_PATH, { schema: SCHEMA, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
      const { subject_token: jwt, workload } = request.body;
      const exchanged = await exchangeToken(exchanging, request.ip, jwt, workload);
      reply.header('cache-control', 'no-store');
      if (isRefusal(exchanged)) {
        const asks = exchanged.refused === 'INVALID_INPUT';
        return fail(reply, asks ? 'invalid_request' : 'invalid_grant', exchanged.detail);
      }
      const answer: ExchangedToken = {
        access_token: expose(exchanged.secret),
        issued_token_type: ACCESS_TOKEN_TYPE,
        token_type: 'Bearer',
        expires_in: exchanged.expiresInSeconds,
      };
      return answer;
    });
    registered();
  });
}

function onlyOf(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? (values[0] as string) : values;
}

/** RFC 6749 §5.2. */
function fail(reply: FastifyReply, error: string, description: string): FastifyReply {
  return reply.code(400).send({ error, error_description: description });
}
