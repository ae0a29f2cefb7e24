import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, ERRORS, refuse } from '@keyhold/protocol/errors';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { parseJsonBody } from './json-body.ts';
import type { Log } from './log.ts';
import { sendProblem } from './problem.ts';
import { PROBLEM_SCHEMA } from './route-schema.ts';
import { serializerCompiler } from './serialization.ts';
import { secureOptions, type TlsMaterial } from './tls.ts';
import { findBadAddress, InvalidInput, validatorCompiler } from './validation.ts';

export interface HttpOptions {
  readonly log: Log;
  readonly tls: TlsMaterial | undefined;
  /** Networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Where an address is routed to, if not to itself. */
  readonly routeOf?: (address: string) => string;
  /** What a fault means for the caller, where it isn't one of ours; null for everything else. */
  readonly classify: (error: unknown) => 'OVERLOADED' | 'STORE_UNAVAILABLE' | null;
}

const BODY_LIMIT_BYTES = 64 * 1024;
const MAX_PARAM_LENGTH = 500;
const CLOSE_PATIENCE_MS = 3_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** A Fastify server with Keyhold's manners: strict input, problem details, no request logging of its own. */
export function createHttpServer(options: HttpOptions): FastifyInstance {
  const { tls, trustedProxies, routeOf } = options;
  const manners = {
    // Refused below with a problem, not by Node with an empty answer.
    requireHostHeader: false,
    // Whoever offers HTTP/2 by an upgrade is answered over HTTP/1.1 (RFC 9110 §7.8 lets us ignore it). So is a WebSocket
    // where nobody listens for one, such as that of a client behind a gateway: Node would hang up.
    shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
      app.server.listenerCount('upgrade') > 0 && /^websocket$/i.test(headers.upgrade ?? ''),
  };
  const app = Fastify({
    logger: false,
    ...(tls === undefined ? { http: manners } : { https: { ...secureOptions(tls), ...manners } }),
    ...(trustedProxies.length === 0 ? {} : { trustProxy: [...trustedProxies] }),
    ...(routeOf === undefined ? {} : { rewriteUrl: ({ url = '/' }: IncomingMessage) => routeOf(url) }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH, ignoreTrailingSlash: false },
    return503OnClosing: false,
    // A path that doesn't decode never reaches a route.
    frameworkErrors: (error, request, reply) => fail(error, request as FastifyRequest, reply as FastifyReply, options),
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket),
  }) as unknown as FastifyInstance;
  app.server.headersTimeout = HEADERS_TIMEOUT_MS;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.addSchema(PROBLEM_SCHEMA);
  app.decorateRequest('rawBody', null);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    request.rawBody = bytes as Buffer;
    const parsed = parseJsonBody(bytes as Buffer);
    if ('value' in parsed) done(null, parsed.value);
    else done(new InvalidInput(parsed));
  });
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    refuseRaw(response, 'Expect', 'Only 100-continue can be expected.'),
  );
  // A connection that never sends a request is neither idle nor busy, and would hold up the stop for ever.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), CLOSE_PATIENCE_MS).unref();
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (request.headers.host !== undefined) return done();
    sendProblem(request, reply, refuse('INVALID_INPUT', 'This field is missing.', 'Host'));
  });
  app.addHook('preValidation', (request, _reply, done) => {
    const bad = findBadAddress(request.query, request.params);
    if (bad === undefined) done();
    else done(new InvalidInput(bad) as unknown as FastifyError);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => fail(error, request, reply, options));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, refuse('NOT_FOUND', 'No operation has this method and address.')),
  );
  return app;
}

/** Refuses before Fastify sees the request. */
function refuseRaw(response: ServerResponse, field: string, detail: string): void {
  const body = rawProblem('INVALID_INPUT', detail, field);
  const headers = { 'content-type': 'application/problem+json', 'content-length': Buffer.byteLength(body) };
  response.writeHead(400, { ...headers, connection: 'close' });
  response.end(body);
}

function rawProblem(code: ErrorCode, detail: string, field: string): string {
  const { status, title } = ERRORS[code];
  return JSON.stringify({
    type: `urn:keyhold:error:${code}`,
    title,
    status,
    code,
    detail,
    instance: randomUUID(),
    field,
  });
}

/** Fastify's own refusals, in our codes. */
const CODE_OF_FASTIFY: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_JSON',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'URI_TOO_LONG',
};

/** Where it is the body as a whole. */
const FIELD_OF: Partial<Record<ErrorCode, string>> = { BODY_TOO_LARGE: '/', INVALID_JSON: '/' };

function fail(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  { log, classify }: HttpOptions,
): FastifyReply {
  if (error instanceof InvalidInput) return sendProblem(request, reply, error.refusal);
  const code = CODE_OF_FASTIFY[error.code];
  if (code !== undefined) return sendProblem(request, reply, refuse(code, ERRORS[code].title, FIELD_OF[code]));
  const known = classify(error);
  if (known === 'OVERLOADED') {
    return sendProblem(request, reply, refuse('OVERLOADED', 'Try again after the time in Retry-After.'));
  }
  if (known === 'STORE_UNAVAILABLE') {
    log.error({ error, request: request.id }, 'the store cannot be used');
    return sendProblem(request, reply, refuse('STORE_UNAVAILABLE', 'Read the state again before you repeat the call.'));
  }
  if (typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500) {
    return sendProblem(request, reply, refuse('INVALID_INPUT', 'The request could not be read.', 'request'));
  }
  log.error({ error, request: request.id }, 'a request failed');
  return sendProblem(request, reply, refuse('INTERNAL', 'Report the instance id to whoever runs this server.'));
}

/** What isn't HTTP gets a short answer and no more of our time. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const overflow = error.code === 'HPE_HEADER_OVERFLOW';
  const status = overflow ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const code = overflow ? 'HEADERS_TOO_LARGE' : 'INVALID_INPUT';
  const body = rawProblem(code, 'The request could not be read as HTTP.', 'request');
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
