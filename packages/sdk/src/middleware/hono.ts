import type { Verdict } from '@keyhold/protocol/verdict';
import { signFetchAnswer } from './fetch-answer.ts';
import { type FetchGuardOptions, guardFetch } from './fetch-message.ts';
import type { Requirement } from './http-guard.ts';

/** As much of Hono's Context as a guard needs. */
interface Context {
  readonly req: { raw: Request };
  get res(): Response;
  set res(response: Response | undefined);
  set(name: 'keyhold', value: Verdict): void;
}

/**
 * Guards routes of Hono 4: `app.post('/orders', guard({ permission: 'orders:write' }), place)`. Before whatever reads
 * the body, which is in `c.req` as ever. The verdict is `c.get('keyhold')`.
 * @typeParam C Hono's `Context`, where `clientAddress` wants more of it, such as `getConnInfo(c).remote.address`
 */
export function createHonoGuard<C extends Context = Context>(options: FetchGuardOptions<C>) {
  return (requirement: Requirement = {}) =>
    async (context: C, next: () => Promise<void>): Promise<Response | undefined> => {
      const request = context.req.raw;
      const decision = await guardFetch(options, request, context, requirement);
      if (decision instanceof Response) return await signFetchAnswer(options, request, decision);
      context.req.raw = decision.request;
      context.set('keyhold', decision.verdict);
      await next();
      if (options.answers === undefined) return undefined;
      const signed = await signFetchAnswer(options, request, context.res);
      // Over an answer that is there Hono writes that one's fields again, its digest and signature too.
      context.res = undefined;
      context.res = signed;
      return undefined;
    };
}
