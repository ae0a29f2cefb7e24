import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Verdict } from '@keyhold/protocol/verdict';
import type { Requirement } from './http-guard.ts';
import { nodeGuard, sendRefusal } from './node-guard.ts';
import type { NodeGuardOptions } from './node-message.ts';

/** As much of Express as a guard needs. */
type Request = IncomingMessage & { readonly originalUrl: string };
type Response = ServerResponse & { readonly locals: Record<string, unknown> };

export interface ExpressGuardOptions extends NodeGuardOptions {
  /** Told of each refusal, with the code that the client doesn't get to see. */
  readonly refused?: (verdict: Verdict, request: IncomingMessage) => void;
}

/**
 * Guards routes of Express 5: `app.post('/orders', guard({ permission: 'orders:write' }), express.json(), place)`.
 * Before what parses bodies, which finds the body in the request as ever. The verdict is `response.locals.keyhold`.
 * @throws TypeError when a trusted proxy is not a network
 */
export function createExpressGuard(options: ExpressGuardOptions) {
  const guard = nodeGuard(options);
  return (requirement: Requirement = {}) =>
    async (request: Request, response: Response, next: (error?: unknown) => void): Promise<void> => {
      // A mounted router takes its own path out of `url`; signed was all of it.
      const decision = await guard(request, response, requirement, request.originalUrl);
      if (decision.kind === 'accepted') {
        response.locals['keyhold'] = decision.verdict;
        return next();
      }
      if (decision.kind === 'gone') return;
      if (decision.verdict !== null) options.refused?.(decision.verdict, request);
      sendRefusal(response, decision.refusal);
    };
}
