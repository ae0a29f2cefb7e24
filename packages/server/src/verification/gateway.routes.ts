import { isRefusal, refuse } from '@keyhold/protocol/errors';
import { refusalOf } from '@keyhold/protocol/http-refusal';
import type { Verdict } from '@keyhold/protocol/verdict';
import type { ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Gate } from '../http/mount.ts';
import { redact } from '../http/log.ts';
import { sendProblem } from '../http/problem.ts';
import { refusalsOf } from '../http/route-schema.ts';
import { ENVOY, ENVOY_PREFIX, FORWARD, type Gateway, NGINX, readAsked, tokenOf } from './gateway-request.ts';
import type { IsProxy } from './trusted-proxies.ts';
import { FORBIDDEN, mayVerify, readPlace } from './verify-request.ts';

interface Context {
  readonly verifier: Verifier;
  readonly gate: Gate<ReplicaToken>;
  readonly clock: Pick<Clock, 'wall'>;
  /** Before the gateways, where `X-Forwarded-For` is believed. */
  readonly isProxy: IsProxy;
  /** Told why a request is none that can be decided on: its client hears nothing of it, and the gateway neither. */
  readonly malformed: (why: string) => void;
}

/** Longest body that Envoy may hand over. */
const MAX_BODY_BYTES = 1024 * 1024;
/** In characters. */
const MAX_WHY = 200;

/**
 * For gateways that ask before they hand a request on: `auth_request` of nginx, which knows 2xx, 401 and 403 and makes
 * 500 of everything else; the forward-auth of Traefik and Caddy, which hand any answer on; and `ext_authz` of Envoy,
 * which asks with the request itself and takes 200 alone for a yes.
 */
export function mountGateways(app: FastifyInstance, context: Context): void {
  const nginx = describe('auth-nginx', 'Decide a request for auth_request of nginx', [401, 403]);
  const forward = describe('auth-forward', 'Decide a request for forward-auth of a gateway', [401, 403, 429, 503]);
  app.get('/v1/auth/nginx', nginx, (request, reply) => answer(context, NGINX, request, reply));
  app.get('/v1/auth/forward', forward, (request, reply) => answer(context, FORWARD, request, reply));
  app.register((scope, _options, registered) => {
    // Bytes are verified, whatever they are said to be.
    scope.addHook('onRequest', ({ raw }, _reply, done) => {
      raw.headers['content-type'] = 'application/octet-stream';
      done();
    });
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    scope.all(`${ENVOY_PREFIX}/*`, { schema: { hide: true } }, (request, reply) =>
      answer(context, ENVOY, request, reply),
    );
    registered();
  });
}

/** docs/gateways.md says which fields a gateway asks by. */
function describe(operationId: string, summary: string, refused: readonly number[]) {
  const content = { 'application/problem+json': { schema: { $ref: 'Problem#' } } };
  const refusals = refused.map((status) => [status, { description: 'As the client is to be answered.', content }]);
  return {
    schema: {
      ...{ operationId, summary, tags: ['Gateways'], security: [{ gateway: [] }] },
      response: {
        ...refusalsOf(['INVALID_INPUT', 'ENVIRONMENT_NOT_FOUND']),
        204: { description: 'Accepted: X-Keyhold-Key, X-Keyhold-Consumer and X-Keyhold-Credential say who it is.' },
        ...Object.fromEntries(refusals),
      },
    } as object,
  };
}

async function answer(
  { verifier, gate, clock, isProxy, malformed }: Context,
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const principal = await gate.authenticate(tokenOf(request));
  if (principal === null)
    return sendProblem(request, reply, refuse('UNAUTHENTICATED', "Send the gateway's token as X-Keyhold-Token."));
  if (!mayVerify(principal)) return sendProblem(request, reply, FORBIDDEN);
  const asked = readAsked(gateway, request, isProxy);
  if (isRefusal(asked)) return sendProblem(request, reply, asked);
  const place = readPlace(verifier, principal, asked.place);
  if (isRefusal(place)) return sendProblem(request, reply, place);
  const { clientIp, place: said } = asked;
  const verdict = await verifier.verify({ ...place, request: asked.request, clientIp, destination: said.destination });
  if (verdict.reason !== undefined) malformed(whyOf(verdict));
  reply.header('cache-control', 'no-store');
  return verdict.valid ? accept(reply, verdict, gateway) : turnAway(reply, verdict, clock.wall(), gateway);
}

/** A client chose some of its words, such as the label of a signature: as much of it as a log can bear. */
function whyOf({ dialect, reason = '' }: Verdict): string {
  return redact(`${dialect ?? 'no dialect'}: ${reason}`).slice(0, MAX_WHY);
}

/** Who it is, for the API behind; and digests that it has to check where the body did not come here. */
function accept(
  reply: FastifyReply,
  { keyId, consumerId, credentialId, bodyDigests = [] }: Verdict,
  { name }: Gateway,
): FastifyReply {
  reply.header('x-keyhold-key', keyId ?? '').header('x-keyhold-consumer', consumerId ?? '');
  reply.header('x-keyhold-credential', credentialId ?? '');
  const digests = bodyDigests.map(({ algorithm, value }) => `${algorithm}=:${value}:`);
  // Always there: a gateway that copies it then has nothing of a client's own.
  reply.header('x-keyhold-content-digest', digests.join(', '));
  return reply.code(name === 'envoy' ? 200 : 204).send();
}

function turnAway(reply: FastifyReply, verdict: Verdict, nowMs: number, { name }: Gateway): FastifyReply {
  const { status, headers, body } = refusalOf(verdict, null, nowMs);
  for (const [name, value] of headers) reply.header(name, value);
  if (name !== 'nginx' || status === 401) return reply.code(status).send(body);
  // What the client is to be answered; the configuration in examples/nginx makes it that.
  return reply.code(403).header('x-keyhold-status', String(status)).send(body);
}
