import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpRefusal } from '@keyhold/protocol/http-refusal';
import type { Verdict } from '@keyhold/protocol/verdict';
import { signingOfAnswer } from './answer-signer.ts';
import { type GuardDecision, guardHttp, type Requirement } from './http-guard.ts';
import { signNodeAnswer } from './node-answer.ts';
import { type NodeGuardOptions, nodeReader } from './node-message.ts';

export type Decided = Exclude<GuardDecision, { readonly kind: 'accepted' }> | { kind: 'accepted'; verdict: Verdict };

/** Guards requests of `node:http`, whichever framework they go to; the body stays in the request for whoever reads it. */
export function nodeGuard(options: NodeGuardOptions) {
  const read = nodeReader(options);
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    requirement: Requirement,
    target?: string,
  ): Promise<Decided> => {
    const { toGuard, held } = read(request, requirement, target);
    const signing = signingOfAnswer(options, toGuard.head);
    // Refusals go the same way.
    if (signing !== null) signNodeAnswer(response, signing);
    const decision = await guardHttp(options, toGuard);
    if (decision.kind === 'accepted' && decision.digests.length > 0)
      held()?.check(decision.digests, options.maxStreamBytes);
    else held()?.release();
    return decision;
  };
}

/** Answers what is refused. A body that was too large is not read to its end: the connection closes instead. */
export function sendRefusal(response: ServerResponse, { status, headers, body }: HttpRefusal): void {
  response.statusCode = status;
  for (const [name, value] of headers) response.setHeader(name, value);
  if (status === 413) response.setHeader('connection', 'close');
  response.end(body);
}
