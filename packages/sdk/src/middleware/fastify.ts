import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Verdict } from '@keyhold/protocol/verdict';
import type { Requirement } from './http-guard.ts';
import { nodeGuard } from './node-guard.ts';
import type { NodeGuardOptions } from './node-message.ts';

/** As much of Fastify as a guard needs. */
interface Request {
  readonly raw: IncomingMessage;
  readonly originalUrl: string;
}
interface Reply {
  readonly raw: ServerResponse;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  serializer(serialize: (payload: unknown) => string): unknown;
  send(payload: string): unknown;
}

export interface FastifyGuardOptions extends NodeGuardOptions {
  /** Told of each refusal, with the code that the client doesn't get to see. */
  readonly refused?: (verdict: Verdict, request: IncomingMessage) => void;
}

/**
 * Guards routes of Fastify 5 as their `preParsing` hook: `app.post('/orders', { preParsing: guard({ permission:
 * 'orders:write' }) }, place)`. Fastify parses the body as ever. The verdict is `request.keyhold`; declare it with
 * `app.decorateRequest('keyhold', null)`.
 * @throws TypeError when a trusted proxy is not a network
 */
export function createFastifyGuard(options: FastifyGuardOptions) {
  const guard = nodeGuard(options);
  return (requirement: Requirement = {}) =>
    async <P>(request: Request, reply: Reply, payload: P): Promise<P> => {
      const decision = await guard(request.raw, reply.raw, requirement, request.originalUrl);
      if (decision.kind === 'accepted') {
        (request as { keyhold?: Verdict }).keyhold = decision.verdict;
        return payload;
      }
      // Nobody is there to be answered; the broken body ends the request.
      if (decision.kind === 'gone') throw new Error('the client went away');
      if (decision.verdict !== null) options.refused?.(decision.verdict, request.raw);
      const { status, headers, body } = decision.refusal;
      reply.code(status);
      for (const [name, value] of headers) reply.header(name, value);
      if (status === 413) reply.header('connection', 'close');
      // The body is JSON text already.
      reply.serializer(String);
      reply.send(body);
      // What Fastify wants of a hook that has answered.
      return reply as unknown as P;
    };
}
