import type { FieldLine, Malformed, ReceivedRequest } from '../dialect.ts';
import { Fields } from './fields.ts';
import { queryParameters } from './query-parameters.ts';
import { type RequestTarget, readTarget } from './request-target.ts';

/** A response as it came over the wire. */
export interface ReceivedResponse {
  readonly status: number;
  /** In order, repeated names repeated. */
  readonly headers: readonly FieldLine[];
  readonly trailers?: readonly FieldLine[];
  /** Null: not read here. */
  readonly body: Uint8Array | null;
}

/** Where component values of a request come from (RFC 9421 §2). */
export interface RequestMessage {
  readonly kind: 'request';
  readonly method: string;
  readonly scheme: string;
  readonly target: RequestTarget | Malformed;
  /** Parsed at the first asking. */
  readonly parameters: () => ReadonlyMap<string, string | null>;
  readonly headers: Fields;
  readonly trailers: Fields;
  readonly body: Uint8Array | null;
}

/** Where component values of a response come from, and of the request that it answers (RFC 9421 §2.4). */
export interface ResponseMessage {
  readonly kind: 'response';
  readonly status: number;
  readonly headers: Fields;
  readonly trailers: Fields;
  readonly body: Uint8Array | null;
  readonly request: RequestMessage | null;
}

export type Message = RequestMessage | ResponseMessage;

export function requestMessage(request: ReceivedRequest): RequestMessage {
  const headers = new Fields(request.headers);
  const target = readTarget(request, headers);
  let parameters: ReadonlyMap<string, string | null> | undefined;
  return {
    kind: 'request',
    method: request.method,
    scheme: request.scheme,
    target,
    parameters: () => (parameters ??= queryParameters('query' in target ? target.query : '')),
    headers,
    // A request's trailers come after the decision on it.
    trailers: new Fields([]),
    body: request.body,
  };
}

export function responseMessage(response: ReceivedResponse, request: ReceivedRequest | null): ResponseMessage {
  return {
    kind: 'response',
    status: response.status,
    headers: new Fields(response.headers),
    trailers: new Fields(response.trailers ?? []),
    body: response.body,
    request: request === null ? null : requestMessage(request),
  };
}
