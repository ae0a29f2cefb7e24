import type { IncomingMessage } from 'node:http';
import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import { ClientAddress } from '../client-address.ts';
import { CheckedBody } from './checked-body.ts';
import type { HttpGuardOptions, RequestHead, Requirement, ToGuard } from './http-guard.ts';
import { isRead, readWhole } from './whole-body.ts';

/** What guards on top of `node:http` take beside. */
export interface NodeGuardOptions extends HttpGuardOptions {
  /** Networks of proxies whose `X-Forwarded-For` is believed; default: none. */
  readonly trustedProxies?: readonly string[];
}

/** A request of `node:http` or of `node:http2`'s compatible API, to be guarded. */
export interface NodeReceived {
  readonly toGuard: ToGuard;
  /** Set where the application reads the body before it is known to be the signed one. */
  readonly held: () => CheckedBody | null;
}

/**
 * Prepares the reading of a request's parts as they came.
 * @throws TypeError when a trusted proxy is not a network
 */
export function nodeReader(options: NodeGuardOptions) {
  const address = new ClientAddress(options.trustedProxies ?? []);
  /**
   * @param target where a framework has put another into `request.url`
   * @throws Error where somebody has begun to read the body
   */
  return (request: IncomingMessage, requirement: Requirement, target = request.url ?? ''): NodeReceived => {
    let held: CheckedBody | null = null;
    const body = {
      isEmpty: isBodiless(request),
      isRead: () => isRead(request),
      read: (maxBytes: number) => readWhole(request, maxBytes),
      hold: () => (held = CheckedBody.of(request)) !== null,
    };
    const head = headOf(request, target);
    return { toGuard: { head, body, clientIp: address.of(request), requirement }, held: () => held };
  };
}

/**
 * Method, target and field lines with the case, order and repetitions that they came with. Of HTTP/2, `:authority` is
 * the Host line (RFC 9113 §8.3.1); where both stand and differ, both are kept, and what needs one host refuses two.
 */
function headOf({ method = '', rawHeaders }: IncomingMessage, target: string): RequestHead {
  const lines: FieldLine[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    lines.push([rawHeaders[i] as string, rawHeaders[i + 1] as string]);
  }
  const authority = lines.find(([name]) => name === ':authority')?.[1];
  const headers = lines.filter(([name, value]) => !name.startsWith(':') && !(isHost(name) && value === authority));
  return { method, target, headers: authority === undefined ? headers : [['Host', authority], ...headers] };
}

function isHost(name: string): boolean {
  return name.toLowerCase() === 'host';
}

/** RFC 9112 §6.3: neither a length nor a transfer coding. Of HTTP/2 the stream itself says whether there is more. */
function isBodiless(request: IncomingMessage): boolean {
  const { headers, httpVersionMajor } = request;
  if (httpVersionMajor >= 2)
    return (request as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders === true;
  return headers['transfer-encoding'] === undefined && /^0*$/.test(headers['content-length'] ?? '');
}
