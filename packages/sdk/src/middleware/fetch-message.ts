import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import type { HttpRefusal } from '@keyhold/protocol/http-refusal';
import type { Verdict } from '@keyhold/protocol/verdict';
import { BodyDigester, BodyTooLong, type Digests, DigestMismatch } from './body-digester.ts';
import { guardHttp, type HttpGuardOptions, type RequestHead, type Requirement } from './http-guard.ts';

/** What guards on top of `fetch`'s Request take beside. */
export interface FetchGuardOptions<C> extends HttpGuardOptions {
  /** The client's address, which a Request does not have; left out: keys that are bound to networks are refused. */
  readonly clientAddress?: (context: C) => string | undefined;
  /** Told of each refusal, with the code that the client doesn't get to see. */
  readonly refused?: (verdict: Verdict, request: Request) => void;
}

/** A request to go on with, its body unread; or what to answer. */
export type FetchDecision = { readonly request: Request; readonly verdict: Verdict } | Response;

/**
 * Guards one Request. Its `Headers` have folded repeated fields into one (Fetch §2.2.2) and its URL is normalised (URL
 * §4.4): that is what the handler sees, so that is what is verified.
 */
export async function guardFetch<C>(
  options: FetchGuardOptions<C>,
  request: Request,
  context: C,
  requirement: Requirement,
): Promise<FetchDecision> {
  let forwarded = request;
  const body = {
    isEmpty: request.body === null,
    isRead: () => request.bodyUsed,
    hold: () => true,
    read: async (maxBytes: number) => {
      const bytes = await readBody(request, maxBytes);
      if (bytes instanceof Uint8Array) forwarded = withBody(request, bytes);
      return bytes;
    },
  };
  const clientIp = options.clientAddress?.(context);
  const decision = await guardHttp(options, { head: headOf(request), body, clientIp, requirement });
  if (decision.kind === 'accepted') {
    const { verdict, digests } = decision;
    return {
      verdict,
      request: digests.length > 0 ? withBody(request, checked(request, digests, options.maxStreamBytes)) : forwarded,
    };
  }
  // Nobody is there to be answered.
  if (decision.kind === 'gone') return new Response(null, { status: 400 });
  if (decision.verdict !== null) options.refused?.(decision.verdict, request);
  return responseOf(decision.refusal);
}

function responseOf({ status, headers, body }: HttpRefusal): Response {
  return new Response(body, { status, headers: headers.map(([name, value]): [string, string] => [name, value]) });
}

export function headOf({ method, url, headers }: Request): RequestHead {
  const { host, origin } = new URL(url);
  const lines: FieldLine[] = [...headers];
  if (!headers.has('host')) lines.unshift(['host', host]);
  // Cut, not put together: `search` has no `?` where nothing stands after it.
  return { method, target: url.slice(origin.length).replace(/#.*$/, '') || '/', headers: lines };
}

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array | 'too large' | 'aborted'> {
  if (request.bodyUsed) {
    throw new Error('the body of a signed request was read before its guard: mount the guard first');
  }
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return 'too large';
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      chunks.push(read.value);
      length += read.value.length;
      if (length > maxBytes) {
        // Not waited for: where nobody takes back the rest it may never end.
        reader.cancel().catch(() => {});
        return 'too large';
      }
    }
  } catch {
    return 'aborted';
  }
  return joined(chunks, length);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function withBody(request: Request, body: Uint8Array | ReadableStream<Uint8Array>): Request {
  return new Request(request, { body, duplex: 'half' } as RequestInit);
}

/** The body, failing at its end unless it has these digests, and where it gets too long. */
function checked(request: Request, digests: Digests, maxBytes?: number): ReadableStream<Uint8Array> {
  const digester = new BodyDigester(digests, maxBytes);
  return (request.body as ReadableStream<Uint8Array>).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        if (digester.update(chunk)) controller.enqueue(chunk);
        else controller.error(new BodyTooLong());
      },
      flush: (controller) => {
        if (!digester.matches()) controller.error(new DigestMismatch());
      },
    }),
  );
}
