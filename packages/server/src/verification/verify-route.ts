import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { FieldLine, ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import type { Response } from '@keyhold/protocol/operation';
import { type ToVerify, verify, verifyBatch } from '@keyhold/protocol/operations/verify';
import type { Verdict, VerificationRequest } from '@keyhold/protocol/verdict';
import type { ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';
import { FORBIDDEN, mayVerify, readPlace } from './verify-request.ts';
import { beyondLimits } from './client-limits.ts';

/** `POST /v1/verify`: the same call as the embedded one, behind a token. */
export function mountVerify(app: FastifyInstance, verifier: Verifier, gate: Gate<ReplicaToken>): void {
  mount(app, gate, verify, async ({ principal, body }) => {
    if (!mayVerify(principal)) return FORBIDDEN;
    const asked = readRequest(verifier, principal, body);
    if (isRefusal(asked)) return asked;
    return { body: (await decide(verifier, asked)) as Response<typeof verify> };
  });
}

/**
 * `POST /v1/verify/batch`: the caller's own mistake in one of them refuses all, so that none is half done. What only a
 * client can have caused is the verdict on his request, and no other's.
 */
export function mountVerifyBatch(app: FastifyInstance, verifier: Verifier, gate: Gate<ReplicaToken>): void {
  mount(app, gate, verifyBatch, async ({ principal, body }) => {
    if (!mayVerify(principal)) return FORBIDDEN;
    const batch: Asked[] = [];
    for (const [i, one] of body.requests.entries()) {
      const asked = readRequest(verifier, principal, one);
      if (isRefusal(asked)) return { ...asked, field: `/requests/${i}${asked.field ?? ''}` };
      batch.push(asked);
    }
    const verdicts = await Promise.all(batch.map((asked) => decide(verifier, asked)));
    return { body: { verdicts } as Response<typeof verifyBatch> };
  });
}

interface Asked {
  readonly request: VerificationRequest;
  /** What nobody reads of it, and why. */
  readonly unread: string | null;
}

function decide(verifier: Verifier, { request, unread }: Asked): Promise<Verdict> {
  const decided = verifier.verify(request);
  if (unread === null) return decided;
  return decided.then((verdict) => (verdict.code === 'MALFORMED' ? { ...verdict, reason: unread } : verdict));
}

function readRequest(verifier: Verifier, token: ReplicaToken, body: ToVerify): Asked | Refusal {
  const place = readPlace(verifier, token, body);
  if (isRefusal(place)) return place;
  const { key, clientIp, destination, cost, secondFactor } = body;
  const common = { ...place, clientIp, destination, cost, secondFactor };
  if ((key === undefined) === (body.request === undefined)) {
    return refuse('INVALID_INPUT', 'Give either key or request.', '/key');
  }
  const unread = beyondLimits(body);
  // Counted and refused as a key that is none, by whoever may still refuse anything.
  if (unread !== null) return { unread, request: { key: '', ...common } };
  if (body.request === undefined) return { unread, request: { key, ...common } };
  const received = readReceived(body.request);
  return isRefusal(received) ? received : { unread, request: { request: received, ...common } };
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
