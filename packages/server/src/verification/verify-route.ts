import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { FieldLine, ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import type { Response } from '@keyhold/protocol/operation';
import { type ToVerify, verify, verifyBatch } from '@keyhold/protocol/operations/verify';
import { parsePermissionExpression } from '@keyhold/protocol/permission';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import type { ReplicaEnvironment, ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';

/** `POST /v1/verify`: the same call as the embedded one, behind a token. */
export function mountVerify(app: FastifyInstance, verifier: Verifier, gate: Gate<ReplicaToken>): void {
  mount(app, gate, verify, async ({ principal, body }) => {
    if (!mayVerify(principal)) return FORBIDDEN;
    const request = readRequest(verifier, principal, body);
    if (isRefusal(request)) return request;
    return { body: (await verifier.verify(request)) as Response<typeof verify> };
  });
}

/** `POST /v1/verify/batch`: the caller's own mistake in one of them refuses all, so that none is half done. */
export function mountVerifyBatch(app: FastifyInstance, verifier: Verifier, gate: Gate<ReplicaToken>): void {
  mount(app, gate, verifyBatch, async ({ principal, body }) => {
    if (!mayVerify(principal)) return FORBIDDEN;
    const requests: VerificationRequest[] = [];
    for (const [i, one] of body.requests.entries()) {
      const request = readRequest(verifier, principal, one);
      if (isRefusal(request)) return { ...request, field: `/requests/${i}${request.field ?? ''}` };
      requests.push(request);
    }
    const verdicts = await Promise.all(requests.map((request) => verifier.verify(request)));
    return { body: { verdicts } as Response<typeof verifyBatch> };
  });
}

function mayVerify({ scopes }: ReplicaToken): boolean {
  return scopes.includes('verify') || scopes.includes('admin');
}

const FORBIDDEN = refuse('FORBIDDEN', 'This token does not allow it: verify takes the scope admin or verify.');

function readRequest(verifier: Verifier, token: ReplicaToken, body: ToVerify): VerificationRequest | Refusal {
  const environment = environmentFor(verifier, token, body);
  if (isRefusal(environment)) return environment;
  const wrong = checkExpression(body.permission);
  if (wrong !== null) return wrong;
  const { key, permission, clientIp, destination, cost, secondFactor } = body;
  const common = { environment: environment.qualifiedName, permission, clientIp, destination, cost, secondFactor };
  if ((key === undefined) === (body.request === undefined)) {
    return refuse('INVALID_INPUT', 'Give either key or request.', '/key');
  }
  if (body.request === undefined) return { key, ...common };
  const received = readReceived(body.request);
  return isRefusal(received) ? received : { request: received, ...common };
}

function readReceived(given: NonNullable<ToVerify['request']>): ReceivedRequest | Refusal {
  const { method, target, scheme = 'https', body = '' } = given;
  const headers = given.headers.map(([name = '', value = '']): FieldLine => [name, value]);
  if (body === null) return { method, target, scheme, headers, body };
  const bytes = Buffer.from(body, 'base64');
  // What is lenient here would let two texts be one body.
  if (bytes.toString('base64') !== body)
    return refuse('INVALID_INPUT', 'This is not base64 with padding.', '/request/body');
  return { method, target, scheme, headers, body: bytes };
}

/** Finds the environment that the caller means; one beyond its binding answers as if it did not exist. */
function environmentFor(
  verifier: Verifier,
  token: ReplicaToken,
  { environment: name }: ToVerify,
): ReplicaEnvironment | Refusal {
  const absent = refuse(
    'ENVIRONMENT_NOT_FOUND',
    'There is no such environment; it may have been created a moment ago.',
    '/environment',
  );
  if (name === undefined) {
    if (token.environment === null) {
      return refuse('INVALID_INPUT', 'Only a token bound to one environment may leave it out.', '/environment');
    }
    return verifier.environmentById(token.environment) ?? absent;
  }
  const found = name.includes('/') ? verifier.environment(name) : bareEnvironment(verifier, token, name);
  if (found === undefined) return absent;
  if (token.environment !== null) return found.id === token.environment ? found : absent;
  if (token.projects !== null && !token.projects.includes(found.projectId)) return absent;
  return found;
}

/** A bare name means something only to a token of one project or environment. */
function bareEnvironment(verifier: Verifier, token: ReplicaToken, name: string): ReplicaEnvironment | undefined {
  if (token.environment !== null) {
    const own = verifier.environmentById(token.environment);
    return own?.name === name ? own : undefined;
  }
  if (token.projects?.length !== 1) return undefined;
  return verifier.environmentOf(token.projects[0] as string, name);
}

/** Expressions already found good; an application has a handful. */
const known = new Set<string>();
const MAX_KNOWN = 1000;

/** A caller's own mistake is an error to him, not a verdict on his client. */
function checkExpression(permission: string | undefined): Refusal | null {
  if (permission === undefined || known.has(permission)) return null;
  const parsed = parsePermissionExpression(permission);
  if ('error' in parsed) return refuse('INVALID_INPUT', `At ${parsed.at}: ${parsed.error}.`, '/permission');
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(permission);
  return null;
}
