import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import {
  ACCESS_TOKEN_TYPE,
  CERTIFICATE_GRANT,
  EXCHANGE_GRANT,
  EXCHANGE_PATH,
  type ExchangedToken,
  JWT_TYPE,
} from '@keyhold/protocol/operations/workloads';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { nameEntry } from '../http/acknowledge.ts';
import { readClientCertificate } from '../http/client-certificate.ts';
import { refusalsOf } from '../http/route-schema.ts';
import { expose } from '../vault/expose.ts';
import type { Admitted, Admitting } from './admit-workload.ts';
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
  summary: "Exchange a workload's own token of its issuer for a short-lived one of ours (RFC 8693)",
  tags: ['Tokens'],
  security: [],
  consumes: ['application/x-www-form-urlencoded', 'application/json'],
  response: {
    200: {
      type: 'object',
      required: ['access_token', 'issued_token_type', 'token_type', 'expires_in'],
      properties: {
        access_token: { type: 'string' },
        issued_token_type: { type: 'string' },
        token_type: { type: 'string' },
        expires_in: { type: 'integer', description: 'Seconds.' },
      },
    },
    ...refusalsOf(['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'STORE_UNAVAILABLE']),
    400: {
      description: 'As RFC 6749 §5.2 has it; what cannot be read at all, as a problem.',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['error'],
            properties: { error: { type: 'string' }, error_description: { type: 'string' } },
          },
        },
        'application/problem+json': { schema: { $ref: 'Problem#' } },
      },
    },
  },
  body: {
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
} as const;

interface Body {
  readonly subject_token: string;
  readonly workload?: string;
}

/** The one call that takes no token of ours: the other issuer's is what opens it. */
export function mountTokenExchange(app: FastifyInstance, exchanging: Exchanging): void {
  mountForm<Body>(app, SCHEMA, async (request, reply) => {
    const { subject_token: jwt, workload } = request.body;
    const admitted = await exchangeToken(exchanging, request.ip, jwt, workload);
    return answer(reply, admitted, 'invalid_grant');
  });
}

const CERTIFICATE_SCHEMA = {
  body: {
    type: 'object',
    required: ['grant_type'],
    additionalProperties: false,
    properties: { grant_type: { const: CERTIFICATE_GRANT }, client_id: ID },
  },
} as const;

/** What only a proxy or a browser sends: whoever is behind it would come with its certificate. */
const LENT: readonly string[] = ['forwarded', 'via', 'x-forwarded-for', 'origin', 'sec-fetch-site'];

/** Of the listener that asks for certificates, and of no other. */
export function mountCertificateExchange(app: FastifyInstance, admitting: Admitting): void {
  mountForm<{ readonly client_id?: string }>(app, CERTIFICATE_SCHEMA, async (request, reply) => {
    const lent = LENT.find((name) => request.headers[name] !== undefined);
    if (lent !== undefined) {
      const detail = `A proxy or a browser sent this (${lent}): show the certificate to Keyhold itself.`;
      return answer(reply, refuse('INVALID_INPUT', detail), 'invalid_request');
    }
    const read = readClientCertificate(request.raw.socket, admitting.clock.wall());
    if (isRefusal(read)) return answer(reply, read, 'invalid_client');
    const admitted = await exchangeCertificate(admitting, request.ip, read, request.body.client_id);
    return answer(reply, admitted, 'invalid_client');
  });
}

type Handler<B> = (request: FastifyRequest<{ Body: B }>, reply: FastifyReply) => Promise<FastifyReply>;

/** A call at the address of exchanges that takes what OAuth clients send (RFC 8693 §2.1). */
function mountForm<B>(app: FastifyInstance, schema: object, handler: Handler<B>): void {
  app.register((scope, _options, registered) => {
    // A field that comes twice is an array, which no field is.
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
      (_request, body, done) => {
        const form = new URLSearchParams(String(body));
        done(null, Object.fromEntries([...new Set(form.keys())].map((name) => [name, onlyOf(form.getAll(name))])));
      },
    );
    scope.post<{ Body: B }>(EXCHANGE_PATH, { schema, bodyLimit: MAX_BODY_BYTES }, handler);
    registered();
  });
}

/** @param otherwise RFC 6749 §5.2, where it is not the request itself that is wrong */
function answer(reply: FastifyReply, admitted: Admitted | Refusal, otherwise: string): FastifyReply {
  reply.header('cache-control', 'no-store');
  if (isRefusal(admitted)) {
    const error = admitted.refused === 'INVALID_INPUT' ? 'invalid_request' : otherwise;
    return reply.code(400).send({ error, error_description: admitted.detail });
  }
  nameEntry(reply, admitted.sequence);
  const body: ExchangedToken = {
    access_token: expose(admitted.secret),
    issued_token_type: ACCESS_TOKEN_TYPE,
    token_type: 'Bearer',
    expires_in: admitted.expiresInSeconds,
  };
  return reply.send(body);
}

function onlyOf(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? (values[0] as string) : values;
}
