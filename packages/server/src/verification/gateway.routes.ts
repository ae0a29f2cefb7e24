import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import { isRefusal, refuse } from '@keyhold/protocol/errors';
import { refusalOf } from '@keyhold/protocol/http-refusal';
import type { Verdict, VerificationRequest } from '@keyhold/protocol/verdict';
import type { ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Gate } from '../http/mount.ts';
import { sendProblem } from '../http/problem.ts';
import { FORBIDDEN, mayVerify, readPlace } from './verify-request.ts';

/** What a gateway says of the request that it asks about. Its own fields: the client's are what is verified. */
const SAID = {
  token: 'x-keyhold-token',
  environment: 'x-keyhold-environment',
  permission: 'x-keyhold-permission',
  method: ['x-original-method', 'x-forwarded-method'],
  target: ['x-original-uri', 'x-forwarded-uri'],
  host: ['x-original-host', 'x-forwarded-host'],
  scheme: ['x-original-scheme', 'x-forwarded-proto'],
  length: 'x-original-content-length',
  coding: 'x-original-transfer-encoding',
  address: ['x-real-ip'],
} as const;

/** Set by the gateway or on the way to it, and no part of what the client sent. */
const NOT_THE_CLIENTS = /^(?:x-(?:keyhold|original|forwarded)-|x-real-ip$|host$|connection$|content-length$)/i;

interface Gateway {
  readonly verifier: Verifier;
  readonly gate: Gate<ReplicaToken>;
  readonly clock: Pick<Clock, 'wall'>;
}

/**
 * For gateways that ask before they hand a request on: `auth_request` of nginx, which knows 2xx, 401 and 403 and makes
 * 500 of everything else, and the forward-auth of Traefik and Caddy, which hand any answer on.
 */
export function mountGateways(app: FastifyInstance, gateway: Gateway): void {
  const describe = (operationId: string, summary: string) => ({ operationId, summary, tags: ['Gateways'] });
  app.get(
    '/v1/auth/nginx',
    { schema: describe('auth-nginx', 'Decide a request for auth_request of nginx') },
    (request, reply) => answer(gateway, request, reply, true),
  );
  app.get(
    '/v1/auth/forward',
    { schema: describe('auth-forward', 'Decide a request for forward-auth of a gateway') },
    (request, reply) => answer(gateway, request, reply, false),
  );
}

async function answer(
  { verifier, gate, clock }: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  nginx: boolean,
): Promise<FastifyReply> {
  // The gateway's own token: `Authorization` is the client's.
  const twice = saidTwice(request);
  if (twice !== undefined)
    return sendProblem(request, reply, refuse('INVALID_INPUT', 'It is there more than once: whose is it?', twice));
  const principal = await gate.authenticate(said(request, SAID.token) ?? null);
  if (principal === null)
    return sendProblem(request, reply, refuse('UNAUTHENTICATED', "Send the gateway's token as X-Keyhold-Token."));
  if (!mayVerify(principal)) return sendProblem(request, reply, FORBIDDEN);
  const place = readPlace(verifier, principal, {
    environment: said(request, SAID.environment) ?? inAddress(request, 'environment'),
    permission: said(request, SAID.permission) ?? inAddress(request, 'permission'),
  });
  if (isRefusal(place)) return sendProblem(request, reply, place);
  const verdict = await verifier.verify({ ...place, ...presented(request) });
  reply.header('cache-control', 'no-store');
  return verdict.valid ? accept(reply, verdict) : turnAway(reply, verdict, clock.wall(), nginx);
}

/** For gateways that can't set a field of their own: in the address that they ask at, which no client writes. */
function inAddress({ query }: FastifyRequest, name: string): string | undefined {
  const value = (query as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : undefined;
}

/** Who it is, for the API behind; and digests that it has to check where the body did not come here. */
function accept(reply: FastifyReply, { keyId, consumerId, credentialId, bodyDigests = [] }: Verdict): FastifyReply {
  reply.header('x-keyhold-key', keyId ?? '').header('x-keyhold-consumer', consumerId ?? '');
  reply.header('x-keyhold-credential', credentialId ?? '');
  const digests = bodyDigests.map(({ algorithm, value }) => `${algorithm}=:${value}:`);
  if (digests.length > 0) reply.header('x-keyhold-content-digest', digests.join(', '));
  return reply.code(204).send();
}

function turnAway(reply: FastifyReply, verdict: Verdict, nowMs: number, nginx: boolean): FastifyReply {
  const { status, headers, body } = refusalOf(verdict, null, nowMs);
  for (const [name, value] of headers) reply.header(name, value);
  if (!nginx || status === 401) return reply.code(status).send(body);
  // What the client is to be answered; the configuration in examples/nginx makes it that.
  return reply.code(403).header('x-keyhold-status', String(status)).send(body);
}

function presented(request: FastifyRequest): Pick<VerificationRequest, 'request' | 'clientIp'> {
  const host = said(request, ...SAID.host) ?? '';
  const headers: FieldLine[] = [['Host', host]];
  const { rawHeaders } = request.raw;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!NOT_THE_CLIENTS.test(name)) headers.push([name, rawHeaders[i + 1] as string]);
  }
  const received = {
    method: said(request, ...SAID.method) ?? 'GET',
    target: said(request, ...SAID.target) ?? '/',
    scheme: said(request, ...SAID.scheme) === 'http' ? ('http' as const) : ('https' as const),
    headers,
    // The body stays with the gateway: where there is one, a signed digest of it is for the API behind to check.
    body: hasBody(request) ? null : new Uint8Array(),
  };
  return { request: received, clientIp: said(request, ...SAID.address) ?? lastForwarded(request) };
}

function hasBody(request: FastifyRequest): boolean {
  return !/^0*$/.test(said(request, SAID.length) ?? '') || (said(request, SAID.coding) ?? '') !== '';
}

/** The one that the gateway added itself: what stands before it came with the request. */
function lastForwarded(request: FastifyRequest): string | undefined {
  return said(request, 'x-forwarded-for')?.split(',').at(-1)?.trim();
}

/** Of the first of these that is there. */
function said({ raw }: FastifyRequest, ...names: readonly string[]): string | undefined {
  const found = names.find((name) => raw.headersDistinct[name] !== undefined);
  return found === undefined ? undefined : raw.headersDistinct[found]?.[0];
}

/** A client may send what the gateway says: what stands there twice, nobody can tell whose it is. */
function saidTwice({ raw }: FastifyRequest): string | undefined {
  return Object.values(SAID)
    .flat()
    .find((name) => (raw.headersDistinct[name]?.length ?? 0) > 1);
}
