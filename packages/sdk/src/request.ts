import type { Operation, Response as ResponseOf } from '@keyhold/protocol/operation';
import { KeyholdError, problemFrom } from './keyhold-error.ts';

/** Where a plane listens and what opens it. */
export interface Connection {
  /** `http(s)://host:port` */
  readonly url: string;
  readonly token: string;
  /** Default: 30 000. */
  readonly timeoutMs?: number;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

interface Options {
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** A taking-away waits for a lease at most; the longest lease is 300 s. */
const BARRIER_TIMEOUT_MS = 310_000;

/** Sends one operation. */
export async function request<O extends Operation>(
  connection: Connection,
  operation: O,
  input: Readonly<Record<string, unknown>>,
  options: Options,
): Promise<ResponseOf<O>> {
  const { path, rest } = fillPath(operation.path, input);
  const url = new URL(path, connection.url);
  const hasBody = operation.method !== 'GET';
  if (!hasBody) {
    for (const [name, value] of Object.entries(rest)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
  }
  const timeout = AbortSignal.timeout(connection.timeoutMs ?? (hasBody ? BARRIER_TIMEOUT_MS : DEFAULT_TIMEOUT_MS));
  const response = await (connection.fetch ?? fetch)(url, {
    method: operation.method,
    headers: {
      authorization: `Bearer ${connection.token}`,
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }),
    },
    ...(hasBody ? { body: JSON.stringify(rest) } : {}),
    signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
  });
  if (!response.ok) throw new KeyholdError(await problemFrom(response));
  return (await response.json()) as ResponseOf<O>;
}

/** Puts input into the path's parameters; what is left goes into query or body. */
function fillPath(
  path: string,
  input: Readonly<Record<string, unknown>>,
): { path: string; rest: Record<string, unknown> } {
  const rest = { ...input };
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const given = rest[name];
    const value = typeof given === 'number' ? String(given) : given;
    delete rest[name];
    if (typeof value !== 'string' || value === '') throw new TypeError(`"${name}" is missing`);
    return encodeURIComponent(value);
  });
  return { path: filled, rest };
}
