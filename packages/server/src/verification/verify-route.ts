import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { FieldLine, ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import type { Response } from '@keyhold/protocol/operation';
import { type ToVerify, verify, verifyBatch } from '@keyhold/protocol/operations/verify';
import type { VerificationRequest } from '@keyhold/protocol/verdict';
import type { ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';
import { FORBIDDEN, mayVerify, readPlace } from './verify-request.ts';

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

function readRequest(verifier: Verifier, token: ReplicaToken, body: ToVerify): VerificationRequest | Refusal {
  const place = readPlace(verifier, token, body);
  if (isRefusal(place)) return place;
  const { key, clientIp, destination, cost, secondFactor } = body;
  const common = { ...place, clientIp, destination, cost, secondFactor };
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
