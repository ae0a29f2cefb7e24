import type { Verdict } from '@keyhold/protocol/verdict';
import { signFetchAnswer } from './fetch-answer.ts';
import { type FetchGuardOptions, guardFetch } from './fetch-message.ts';
import type { Requirement } from './http-guard.ts';

/** Whatever a runtime hands a handler beside the request: connection, environment, context. */
type Handler<C extends readonly unknown[]> = (
  request: Request,
  verdict: Verdict,
  ...context: C
) => Response | Promise<Response>;

/**
 * Guards fetch handlers (Deno, Bun, workers with `node:crypto`, servers made of them):
 * `Deno.serve(guard({ permission: 'orders:write' }, (request, verdict) => …))`. The handler gets a request whose body
 * is still to be read.
 */
export function createFetchGuard<C extends readonly unknown[]>(options: FetchGuardOptions<C>) {
  return (requirement: Requirement, handler: Handler<C>) =>
    async (request: Request, ...context: C): Promise<Response> => {
      const decision = await guardFetch(options, request, context, requirement);
      const answer =
        decision instanceof Response ? decision : await handler(decision.request, decision.verdict, ...context);
      return await signFetchAnswer(options, request, answer);
    };
}
