import { readFileSync } from 'node:fs';
import type { Connection } from '@keyhold/sdk/request';
import type { Environment } from './environment.ts';
import { NoToken, UsageError } from './failure.ts';
import { readSession } from './session-file.ts';
import type { Flag, FlagValue } from './flag.ts';

const TOKEN_FILE: Flag = {
  name: 'token-file',
  value: 'FILE',
  about: 'File that holds the token. Never a token itself.',
};

export const URL_FLAGS: readonly Flag[] = [
  { name: 'url', value: 'URL', about: 'Control plane; else KEYHOLD_URL, else http://127.0.0.1:7070.' },
  TOKEN_FILE,
];

export const VERIFIER_URL_FLAGS: readonly Flag[] = [
  { name: 'verifier-url', value: 'URL', about: 'Verifier; else KEYHOLD_VERIFIER_URL, else http://127.0.0.1:7071.' },
  TOKEN_FILE,
];

type Own = Readonly<Record<string, FlagValue>>;

/** Where to send, and what opens it. */
export function connectionFor(own: Own, environment: Environment): Connection {
  const verifier = own['verifier-url'];
  const url = typeof verifier === 'string' ? verifier : typeof own['url'] === 'string' ? own['url'] : environment.url;
  const checked = checkUrl(url);
  return { url: checked, token: findToken(own, environment, checked) };
}

export function verifierConnectionFor(own: Own, environment: Environment): Connection {
  return connectionFor({ 'verifier-url': environment.verifierUrl, ...own }, environment);
}

/** @throws UsageError */
export function checkUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new UsageError('the address is not http:// or https://');
  if (url.username !== '' || url.password !== '') throw new UsageError('the address must not carry a password');
  return url.href;
}

/**
 * The first that is there: the flag, KEYHOLD_TOKEN_FILE, KEYHOLD_TOKEN, whoever signed in here, the bootstrap token of
 * this machine.
 */
function findToken(own: Own, environment: Environment, url: string): string {
  const { tokenFile, token, sessionFile, bootstrapTokenFile } = environment;
  const file = own['token-file'] ?? tokenFile;
  if (typeof file === 'string') return checkToken(readSecretFile(file, 'token'), 'the token file');
  if (token !== undefined) return checkToken(token.trim(), 'KEYHOLD_TOKEN');
  const session = readSession(sessionFile, url);
  if (session !== undefined) return session;
  if (!isOwn(url, environment)) {
    throw new NoToken(
      'no token for this address: sign in with "keyhold sign-in", give --token-file FILE, or set KEYHOLD_TOKEN_FILE ' +
        'or KEYHOLD_TOKEN; the bootstrap token of this machine goes to this machine, or to KEYHOLD_URL, alone',
    );
  }
  try {
    return checkToken(readFileSync(bootstrapTokenFile, 'utf8').trim(), 'the bootstrap token file');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new NoToken(
      'no token: sign in with "keyhold sign-in", give --token-file FILE, or set KEYHOLD_TOKEN_FILE, KEYHOLD_TOKEN, ' +
        'or KEYHOLD_DATA to the folder that holds bootstrap-token',
    );
  }
}

/** An administrator's token is for whom it was made by: not for whatever address stands on a command line. */
function isOwn(url: string, { url: control, verifierUrl }: Environment): boolean {
  const { origin, hostname } = new URL(url);
  if (/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)) return true;
  return [control, verifierUrl].some((named) => URL.parse(named)?.origin === origin);
}

/** Reads a file that holds one secret. */
export function readSecretFile(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`the ${what} file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** What cannot stand in a header would fail later with a message that repeats it. */
function checkToken(text: string, where: string): string {
  if (!/^[\x21-\x7e]{1,500}$/.test(text)) throw new UsageError(`${where} does not hold one token`);
  return text;
}
