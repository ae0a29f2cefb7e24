import { ERRORS, type Problem, type Refusal } from '@keyhold/protocol/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';

const RETRY_AFTER_SECONDS = 1;

/** Sends a refusal as RFC 9457 problem details. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { status, title } = ERRORS[refusal.refused];
  const problem: Problem = {
    type: `urn:keyhold:error:${refusal.refused}`,
    title,
    status,
    code: refusal.refused,
    detail: refusal.detail,
    instance: request.id,
    ...(refusal.field === undefined ? {} : { field: refusal.field }),
    ...(refusal.confirmation === undefined ? {} : { confirmation: refusal.confirmation }),
    ...(refusal.approval === undefined ? {} : { approval: refusal.approval }),
  };
  if (status === 503 || status === 429) {
    reply.header('retry-after', refusal.retryAfterSeconds ?? RETRY_AFTER_SECONDS);
  }
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="keyhold"');
  return reply
    .code(status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('cache-control', 'no-store')
    .serializer(String)
    .send(JSON.stringify(problem));
}
