import type { Malformed } from '../dialect.ts';
import { type Component, textParameter } from './component.ts';
import { isRefused, malformed } from './malformed.ts';
import type { RequestMessage, ResponseMessage } from './message.ts';
import type { RequestTarget } from './request-target.ts';

/** The value of `@status` (RFC 9421 §2.2.9). */
export function statusValue({ status }: ResponseMessage): string | Malformed {
  return Number.isInteger(status) && status >= 100 && status <= 999
    ? String(status)
    : malformed('the status code does not have three digits');
}

/** The value of a component derived from a request (RFC 9421 §2.2). */
export function requestValue(request: RequestMessage, component: Component): string | Malformed {
  // Method and scheme do without the target.
  if (component.name === '@method') return methodValue(request.method);
  if (component.name === '@scheme') return request.scheme;
  return isRefused(request.target) ? request.target : targetValue(request, request.target, component);
}

/** RFC 9421 §2.2.1: case as received. */
function methodValue(method: string): string | Malformed {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(method) ? method : malformed('the method is not a token');
}

function targetValue(request: RequestMessage, target: RequestTarget, component: Component): string | Malformed {
  if (component.name === '@target-uri') return target.uri;
  if (component.name === '@authority') return target.authority;
  if (component.name === '@request-target') return target.written;
  if (target.path === null) return malformed(`${component.identifier}: the request target has no path`);
  if (component.name === '@path') return target.path;
  // RFC 9421 §2.2.7: no query is `?` too.
  if (component.name === '@query') return target.query === '' ? '?' : target.query;
  const value = request.parameters().get(textParameter(component, 'name') ?? '');
  return value ?? malformed(`${component.identifier}: the query does not have this parameter exactly once, in UTF-8`);
}
