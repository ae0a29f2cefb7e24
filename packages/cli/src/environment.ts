import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';

/** What the environment says about connections; the only file of the command that reads it. */
export interface Environment {
  readonly url: string;
  readonly verifierUrl: string;
  readonly tokenFile: string | undefined;
  readonly token: string | undefined;
  /** Where a control plane on this machine puts the token of the beginning. */
  readonly bootstrapTokenFile: string;
  /** Where this command line's own sessions lie. */
  readonly sessionFile: string;
  readonly noColor: boolean;
}

/** Reads the environment once; an empty variable counts as absent. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): Environment {
  return {
    url: env['KEYHOLD_URL'] || 'http://127.0.0.1:7070',
    verifierUrl: env['KEYHOLD_VERIFIER_URL'] || 'http://127.0.0.1:7071',
    tokenFile: env['KEYHOLD_TOKEN_FILE'] || undefined,
    token: env['KEYHOLD_TOKEN'] || undefined,
    bootstrapTokenFile: join(env['KEYHOLD_DATA'] || './data', 'bootstrap-token'),
    sessionFile: join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'keyhold', 'sessions.json'),
    // https://no-color.org
    noColor: (env['NO_COLOR'] ?? '') !== '',
  };
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The environment of a server that the command runs: libuv reads the number of its threads when a process starts. */
export function serverEnvironment(env: Variables = process.env): Variables {
  // A verifier checks public keys' signatures there: on every core.
  return { ...env, UV_THREADPOOL_SIZE: env['UV_THREADPOOL_SIZE'] || String(Math.max(4, availableParallelism())) };
}
