import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Verdict } from '@keyhold/protocol/verdict';
import type { Requirement } from './middleware/http-guard.ts';
import { nodeGuard, sendRefusal } from './middleware/node-guard.ts';
import type { NodeGuardOptions } from './middleware/node-message.ts';

export interface GuardOptions extends NodeGuardOptions {
  /** Told of each refusal, with the code that the client doesn't get to see. */
  readonly refused?: (verdict: Verdict, request: IncomingMessage) => void;
}

/** Answers the request and gives null when it is refused; else the verdict. */
export type Guard = (
  request: IncomingMessage,
  response: ServerResponse,
  requirement: Requirement,
) => Promise<Verdict | null>;

/**
 * Guards a `node:http` server: verifies `Authorization: Bearer <key>`, or the signature where the environment has
 * dialects, and answers what is refused. The body stays in `request`, to be read as if nobody had been there.
 * @throws TypeError when a trusted proxy is not a network
 */
export function createGuard(options: GuardOptions): Guard {
  const guard = nodeGuard(options);
  return async (request, response, requirement) => {
    const decision = await guard(request, response, requirement);
    if (decision.kind === 'accepted') return decision.verdict;
    if (decision.kind === 'gone') return null;
    if (decision.verdict !== null) options.refused?.(decision.verdict, request);
    sendRefusal(response, decision.refusal);
    return null;
  };
}
