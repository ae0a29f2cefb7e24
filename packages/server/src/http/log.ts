import { inspect } from 'node:util';
import pino, { type Logger } from 'pino';

export type Log = Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>;

/** Anything that looks like a credential of ours: prefix, underscore, 49 base62 characters. */
const CREDENTIAL = /[a-z0-9_]{2,24}_[0-9A-Za-z]{49}/g;

/** Structured log on standard error, one JSON object a line. Secrets redact by type, and by shape as a last resort. */
export function createLog(level: string, name: string): Log {
  return pino(
    {
      level,
      name,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: describeError },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return redact(inspect(error));
  const { name, message, stack, cause } = error;
  return {
    name,
    message: redact(message),
    stack: redact(stack ?? ''),
    ...(cause === undefined ? {} : { cause: describeError(cause) }),
  };
}

/** Replaces whatever has the form of a credential. */
export function redact(text: string): string {
  return text.replace(CREDENTIAL, '[redacted]');
}
