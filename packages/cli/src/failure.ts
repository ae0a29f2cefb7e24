import { printable } from '@keyhold/auditor/printable';
import { KeyholdError } from '@keyhold/sdk/keyhold-error';
import { EXIT } from './exit-codes.ts';
import { flagName } from './flag-name.ts';

/** Wrong usage, in words for whoever typed it. Never carries a value that was given: it may be a secret. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What the server was asked for and does not have, as its own refusals are. */
export class NothingThere extends Error {
  override readonly name = 'NothingThere';
}

/** No token could be found. */
export class NoToken extends Error {
  override readonly name = 'NoToken';
}

/** How a command ended that did not do what was asked. */
export interface Failure {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly status?: number;
  readonly field?: string;
  readonly instance?: string;
}

/** Puts whatever was thrown into words and an exit code. */
export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) return { exitCode: EXIT.usage, code: 'USAGE', message: error.message };
  if (error instanceof NothingThere) return { exitCode: EXIT.refused, code: 'NOT_FOUND', message: error.message };
  if (error instanceof NoToken) return { exitCode: EXIT.unauthorised, code: 'NO_TOKEN', message: error.message };
  if (error instanceof KeyholdError) return ofServer(error);
  const { name, message, cause, code, path } = error as Error & {
    cause?: { code?: string; message?: string };
    code?: string;
    path?: string;
  };
  // Without its name, which may be a secret that was given in the wrong place.
  if (path !== undefined || (code !== undefined && OF_A_DISK.test(code)))
    return { exitCode: EXIT.usage, code: 'USAGE', message: `a file cannot be used (${code})` };
  if (name === 'TimeoutError' || cause?.code === 'UND_ERR_HEADERS_TIMEOUT') {
    return {
      exitCode: EXIT.unreachable,
      code: 'TIMEOUT',
      message: 'no answer in time; whether it was done is not known',
    };
  }
  if (name === 'TypeError' && message === 'fetch failed') {
    const why = cause?.code ?? cause?.message ?? 'no reason given';
    return DISTRUST.test(why) ? distrusted(why) : unreachable(why);
  }
  if (typeof code === 'string' && DISTRUST.test(code)) return distrusted(code);
  if (typeof code === 'string' && OF_CONNECTION.test(code)) return unreachable(code);
  if (name === 'SyntaxError') {
    return {
      exitCode: EXIT.unreachable,
      code: 'NOT_KEYHOLD',
      message: 'the answer is not JSON; is this address Keyhold?',
    };
  }
  return { exitCode: EXIT.unreachable, code: 'FAULT', message: `unexpected: ${message}` };
}

/** What a write says, which names no path: the disk is full, over its quota, or broken. */
const OF_A_DISK = /^E(?:NOSPC|DQUOT|IO|FBIG|ROFS)$/;

/** What `node:https` says where no connection came about. */
const OF_CONNECTION = /^(?:ECONN[A-Z]+|ENOTFOUND|EAI_AGAIN|EPIPE|EPROTO|ETIMEDOUT|E(?:HOST|NET)UNREACH|ERR_SSL_\w+)$/;

/** What it says where its other end is not to be trusted. */
const DISTRUST = /^(?:ERR_TLS_CERT\w+|UNABLE_TO_\w+|(?!ERR_)\w*CERT\w*)$/;

function distrusted(why: string): Failure {
  const message = `the server's certificate is not trusted (${why}); NODE_EXTRA_CA_CERTS names a file of who is`;
  return { exitCode: EXIT.unreachable, code: 'UNTRUSTED', message };
}

function unreachable(why: string): Failure {
  const message = `nobody answers (${why}); is the server running?`;
  return { exitCode: EXIT.unreachable, code: 'UNREACHABLE', message };
}

function ofServer({ status, code, detail, field, instance, message, approval }: KeyholdError): Failure {
  const waits =
    approval === undefined ? '' : ` It waits for that: once it is there, run this again with --approval ${approval}`;
  return {
    exitCode: exitCodeOf(status),
    code,
    message: `${detail === '' ? message : detail}${waits}`,
    status,
    ...(field === undefined ? {} : { field }),
    ...(instance === undefined ? {} : { instance }),
  };
}

/** Of what a server answered instead. */
export function exitCodeOf(status: number): number {
  if (status === 401 || status === 403) return EXIT.unauthorised;
  return status >= 400 && status < 500 ? EXIT.refused : EXIT.unreachable;
}

/** One line for people; where a flag carried the failing field it is named as it was typed. */
export function describeFailure(
  { code, message, field, instance, exitCode }: Failure,
  args: readonly string[],
): string {
  if (exitCode === EXIT.usage) return printable(`keyhold: ${message}`);
  const where = field === undefined ? '' : ` (${flagOf(field, args) ?? field})`;
  const trace = instance !== undefined && code === 'INTERNAL' ? ` [${instance}]` : '';
  return printable(`keyhold: ${code}: ${message}${where}${trace}`);
}

/** The flag that was typed for the field, and what of its value; of lists each element has one of its own. */
function flagOf(field: string, args: readonly string[]): string | undefined {
  const [name = '', ...rest] = field.replace(/^\//, '').split('/');
  const typed = args.map((arg) => arg.replace(/=.*/s, ''));
  const flag = [false, true].map((repeatable) => `--${flagName(name, repeatable)}`).find((one) => typed.includes(one));
  const within = rest.slice(/^\d+$/.test(rest[0] ?? '') ? 1 : 0);
  return flag === undefined || within.length === 0 ? flag : `${flag}: ${within.join('/')}`;
}
