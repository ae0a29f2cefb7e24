import { CLIENT_LIMITS, MAX_SIGNED_BODY_BYTES, type ToVerify } from '@keyhold/protocol/operations/verify';

const MAX_BASE64_LENGTH = Math.ceil(MAX_SIGNED_BODY_BYTES / 3) * 4;

/** What of a client's own is longer or more than anybody reads, for the operator's log; null: nothing. */
export function beyondLimits({ key, request }: Pick<ToVerify, 'key' | 'request'>): string | null {
  if (key !== undefined && key.length > CLIENT_LIMITS.key) return 'the key is too long';
  if (request === undefined) return null;
  const { method, target, headers, body } = request;
  if (!isWithin(method, CLIENT_LIMITS.method)) return 'the method is empty or too long';
  if (!isWithin(target, CLIENT_LIMITS.target)) return 'the target is empty or too long';
  if (headers.length > CLIENT_LIMITS.lines) return 'there are too many field lines';
  if (headers.some((line) => line.some((text) => text.length > CLIENT_LIMITS.line))) return 'a field line is too long';
  return (body?.length ?? 0) > MAX_BASE64_LENGTH ? 'the body is too long' : null;
}

function isWithin({ length }: string, max: number): boolean {
  return length > 0 && length <= max;
}
