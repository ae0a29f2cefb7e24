import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import {
  ACCESS_TOKEN_TYPE,
  CERTIFICATE_GRANT,
  EXCHANGE_GRANT,
  EXCHANGE_PATH,
  type ExchangedToken,
  JWT_TYPE,
} from '@keyhold/protocol/operations/workloads';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readClientCertificate } from '../http/client-certificate.ts';
import { expose } from '../vault/expose.ts';
import type { Admitted } from './admit-workload.ts';
import { exchangeCertificate } from './exchange-certificate.ts';
import { type Exchanging, exchangeToken } from './exchange-token.ts';

/** A JWT of some kilobytes, and its form. */
const MAX_BODY_BYTES = 16 * 1024;
const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
const ACCESS_TYPE = ACCESS_TOKEN_TYPE;

const ID = { type: 'string', maxLength: 60 } as const;
const TEXT = { type: 'string', maxLength: MAX_BODY_BYTES } as const;
const SCHEMA = {
  operationId: 'exchange-token',
  summary:
    "Exchange a workload's own token of its issuer (RFC 8693), or the certificate of this connection (RFC 8705), " +
    'for a short-lived token of ours',
  tags: ['Tokens'],
  security: [],
  body: {
    anyOf: [
      {
        type: 'object',
        required: ['grant_type', 'subject_token', 'subject_token_type'],
        additionalProperties: false,
        properties: {
          grant_type: { const: EXCHANGE_GRANT },
          subject_token: TEXT,
          subject_token_type: { enum: [JWT_TYPE, ID_TOKEN_TYPE, ACCESS_TYPE] },
          requested_token_type: { const: ACCESS_TOKEN_TYPE },
          workload: { ...ID, description: 'Its id, where the token is of several.' },
        },
      },
      {
        type: 'object',
        required: ['grant_type'],
        additionalProperties: false,
        properties: {
          grant_type: { const: CERTIFICATE_GRANT },
          client_id: { ...ID, description: 'Id of the workload; needed where the certificate is of several.' },
        },
      },
    ],
  },
} as const;

type Body =
  | { readonly grant_type: typeof EXCHANGE_GRANT; readonly subject_token: string; readonly workload?: string }
  | { readonly grant_type: typeof CERTIFICATE_GRANT; readonly client_id?: string };

/** The one call that takes no token of ours: what another says of whoever comes is what opens it. */
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
      const exchanged = await exchange(exchanging, request);
      reply.header('cache-control', 'no-store');
      if (isRefusal(exchanged)) {
        const otherwise = request.body.grant_type === CERTIFICATE_GRANT ? 'invalid_client' : 'invalid_grant';
        return fail(reply, exchanged.refused === 'INVALID_INPUT' ? 'invalid_request' : otherwise, exchanged.detail);
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

async function exchange(
  exchanging: Exchanging,
  { body, ip, raw }: FastifyRequest<{ Body: Body }>,
): Promise<Admitted | Refusal> {
  if (body.grant_type === EXCHANGE_GRANT) return await exchangeToken(exchanging, ip, body.subject_token, body.workload);
  const names = readClientCertificate(raw.socket, exchanging.clock.wall());
  return isRefusal(names) ? names : await exchangeCertificate(exchanging, ip, names, body.client_id);
}

function onlyOf(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? (values[0] as string) : values;
}

/** RFC 6749 §5.2. */
function fail(reply: FastifyReply, error: string, description: string): FastifyReply {
  return reply.code(400).send({ error, error_description: description });
}
