import { ACK_HEADER, ACK_LEVELS, type AckLevel, ENTRY_HEADER } from '@keyhold/protocol/acknowledgement';
import { APPROVAL_HEADER, APPROVAL_REASON_HEADER, CONFIRMATION_HEADER } from '@keyhold/protocol/confirmation';
import type { Operation, Response as ResponseOf } from '@keyhold/protocol/operation';
import { addressOf } from './address.ts';
import { KeyholdError, problemFrom } from './keyhold-error.ts';

/** Where a plane listens and what opens it. */
export interface Connection {
  /** `http(s)://host:port`, and a path where a proxy has it below one. */
  readonly url: string;
  /** Space around it, as files have it, is left out. */
  readonly token: string;
  /** Default: 10 000 of a verifier; of a control plane 30 000 to read, and 310 000 to change: a taking-away waits. */
  readonly timeoutMs?: number;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

/** What the answer of a change says of its entry. */
export interface Acknowledged {
  /** Its sequence; null where the change has none of its own. */
  readonly entry: number | null;
  /** How far the log is with it. */
  readonly level: AckLevel | null;
}

interface Options {
  readonly idempotencyKey?: string;
  readonly ack?: AckLevel;
  readonly acknowledged?: (told: Acknowledged) => void;
  readonly signal?: AbortSignal;
  readonly confirmation?: string;
  readonly approvalReason?: string;
  readonly approval?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** A taking-away waits for a lease at most; the longest lease is 300 s, and 303.25 as the control plane counts it. */
const BARRIER_TIMEOUT_MS = 310_000;

/**
 * A connection whose token can be sent.
 * @throws TypeError which repeats nothing of it, where what a header refuses would be in the words of its refusal
 */
export function checkedConnection(connection: Connection): Connection {
  const token = connection.token.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError('the token is not one word of visible ASCII characters');
  return { ...connection, token };
}

/** Sends one operation. */
export async function request<O extends Operation>(
  connection: Connection,
  operation: O,
  input: Readonly<Record<string, unknown>>,
  options: Options,
): Promise<ResponseOf<O>> {
  const { path, rest } = fillPath(operation.path, input);
  const url = addressOf(connection.url, path);
  const hasBody = operation.method !== 'GET';
  if (!hasBody) {
    for (const [name, value] of Object.entries(rest)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
  }
  const timeout = AbortSignal.timeout(connection.timeoutMs ?? (hasBody ? BARRIER_TIMEOUT_MS : DEFAULT_TIMEOUT_MS));
  const init: RequestInit = {
    method: operation.method,
    headers: {
      authorization: `Bearer ${connection.token}`,
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...(options.ack === undefined ? {} : { [ACK_HEADER]: options.ack }),
      ...(options.confirmation === undefined ? {} : { [CONFIRMATION_HEADER]: options.confirmation }),
      ...approvalHeaders(options),
      ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }),
    },
    ...(hasBody ? { body: JSON.stringify(rest) } : {}),
    // Followed, what is in the body would go to whatever address the answer names.
    redirect: 'manual',
    signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
  };
  const send = () => (connection.fetch ?? fetch)(url, init);
  const response = await send().catch((error: unknown) => {
    if (!gaveUp(error) || !isRepeatable(operation, options)) throw error;
    return send();
  });
  if (!response.ok) throw new KeyholdError(await problemFrom(response));
  options.acknowledged?.(acknowledgedBy(response.headers));
  return (await response.json()) as ResponseOf<O>;
}

/** Node's fetch waits 300 s for the head of an answer, whatever its signal says. */
function gaveUp(error: unknown): boolean {
  return (error as { cause?: { code?: unknown } } | null)?.cause?.code === 'UND_ERR_HEADERS_TIMEOUT';
}

/** What somebody confirmed or approved is done once, and by then it is. */
function isRepeatable(
  { takesAway, idempotent }: Operation,
  { idempotencyKey, confirmation, approval }: Options,
): boolean {
  if (confirmation !== undefined || approval !== undefined) return false;
  return takesAway === true || (idempotent === true && idempotencyKey !== undefined);
}

function approvalHeaders({ approvalReason, approval }: Options): Record<string, string> {
  return {
    ...(approvalReason === undefined ? {} : { [APPROVAL_REASON_HEADER]: encodeURIComponent(approvalReason) }),
    ...(approval === undefined ? {} : { [APPROVAL_HEADER]: approval }),
  };
}

function acknowledgedBy(headers: Headers): Acknowledged {
  const entry = headers.get(ENTRY_HEADER);
  const level = ACK_LEVELS.find((known) => known === headers.get(ACK_HEADER));
  return { entry: entry === null ? null : Number(entry), level: level ?? null };
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
    // An address without the step, or with one less, would be another operation's.
    if (typeof value !== 'string' || /^\.{0,2}$/.test(value)) throw new TypeError(`"${name}" is missing`);
    return encodeURIComponent(value);
  });
  return { path: filled, rest };
}
