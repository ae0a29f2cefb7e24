import { isIP } from 'node:net';
import { availableParallelism, homedir } from 'node:os';
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { refuseLooseHanded } from './file-modes.ts';

/** Everything that can be set, read once. Nobody else reads the environment or the arguments. */
export interface Config {
  readonly command: 'serve' | 'verifier' | 'restore';
  /** Folder of database and token files. */
  readonly dataFolder: string;
  readonly host: string;
  readonly port: number;
  readonly verifierPort: number;
  /** Of Vault's wire API, at its root. */
  readonly vaultPort: number;
  /** PostgreSQL; undefined: SQLite in the data folder. */
  readonly databaseUrl: string | undefined;
  /** Root key file; undefined: in the user's data directory, named by installation id. */
  readonly keyFile: string | undefined;
  readonly userDataFolder: string;
  /** Remembers the newest entry outside the data folder; undefined: in the user's data directory, by place. */
  readonly headFile: string | undefined;
  /** Who witnesses the log, and how many are enough (c2sp.org/tlog-policy); undefined: nobody. */
  readonly witnessPolicyFile: string | undefined;
  /** Days that entries of the log are kept; undefined: until somebody gives them up. */
  readonly auditDays: number | undefined;
  /** Why a database that is not a continuation is served all the same, this once. */
  readonly acceptRollback: string | undefined;
  /** Lets whoever opens the seal make an owner, this once. */
  readonly recoverOwner: boolean;
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | undefined;
  /** PEM of the authorities whose certificates services may show, and where; undefined: nobody is asked for one. */
  readonly clientCertificates: { readonly authoritiesFile: string; readonly port: number } | undefined;
  /** A proxy terminates TLS, so addresses beyond loopback may be served in the clear. */
  readonly behindProxy: boolean;
  /** Origin that people reach the control plane at; undefined: `localhost`, at its port. */
  readonly publicUrl: string | undefined;
  /** Networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** `keyhold serve` runs one verifier process, unless told not to. */
  readonly withVerifier: boolean;
  /** Of `restore`. */
  readonly restore: {
    readonly input: string | undefined;
    readonly identityFile: string | undefined;
    readonly drill: boolean;
    /** Of a drill: each holds passphrase, PIN or one share of the seal. */
    readonly inputFiles: readonly string[];
  };
  /** Of a verifier process: the control plane, and the file that holds its feed token. */
  readonly controlUrl: string | undefined;
  readonly tokenFile: string | undefined;
  /** PEM of the one certificate to trust at the control plane. */
  readonly controlCertificateFile: string | undefined;
  /** Redis that verifiers share; undefined: each remembers and counts alone. May hold a password. */
  readonly redisUrl: string | undefined;
  /** The operator's word that a restart of it loses nothing. */
  readonly redisDurable: boolean;
  readonly logLevel: string;
  /** Names of variables whose URL has a password, which a file would hold better. */
  readonly passwordsInEnvironment: readonly string[];
  /** What our own child processes get to see: nothing of the database and the root key. */
  readonly childEnvironment: Environment;
}

/** A setting that can't be used, in words for whoever set it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const OPTIONS = {
  data: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'verifier-port': { type: 'string' },
  'vault-port': { type: 'string' },
  'accept-rollback': { type: 'string' },
  'recover-owner': { type: 'boolean' },
  input: { type: 'string' },
  'identity-file': { type: 'string' },
  drill: { type: 'boolean' },
  'input-file': { type: 'string', multiple: true },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-client-ca': { type: 'string' },
  'tls-client-port': { type: 'string' },
  'behind-proxy': { type: 'boolean' },
  'no-verifier': { type: 'boolean' },
  control: { type: 'string' },
  'token-file': { type: 'string' },
  'control-cert': { type: 'string' },
} as const;

/**
 * Reads the configuration; flags win over the environment.
 * @throws ConfigError naming what is wrong
 */
export function readConfig(args: readonly string[], environment: Environment): Config {
  // An empty line of a file of settings sets nothing.
  const env: Environment = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const { values, positionals } = parse(args);
  const command = positionals[0] ?? 'serve';
  if (command !== 'serve' && command !== 'verifier' && command !== 'restore')
    throw new ConfigError(`unknown command "${command}"`);
  if (positionals.length > 1) throw new ConfigError(`"${positionals[1]}" is one argument too many`);
  const controlPort = port('KEYHOLD_PORT', values.port ?? env['KEYHOLD_PORT'], 7070);
  // Who takes any free port for one takes it for both.
  const vaultPort = controlPort === 0 ? 0 : 7073;
  const config: Config = {
    command,
    dataFolder: resolve(values.data || (env['KEYHOLD_DATA'] ?? './data')),
    host: values.host ?? env['KEYHOLD_HOST'] ?? '127.0.0.1',
    port: controlPort,
    verifierPort: port('KEYHOLD_VERIFIER_PORT', values['verifier-port'] ?? env['KEYHOLD_VERIFIER_PORT'], 7071),
    vaultPort: port('KEYHOLD_VAULT_PORT', values['vault-port'] ?? env['KEYHOLD_VAULT_PORT'], vaultPort),
    databaseUrl: databaseUrl(
      secretUrl('KEYHOLD_DATABASE_URL', env['KEYHOLD_DATABASE_URL'], env['KEYHOLD_DATABASE_URL_FILE']),
    ),
    keyFile: env['KEYHOLD_KEY_FILE'],
    headFile: env['KEYHOLD_HEAD_FILE'],
    witnessPolicyFile: env['KEYHOLD_WITNESS_POLICY'],
    auditDays: days('KEYHOLD_AUDIT_DAYS', env['KEYHOLD_AUDIT_DAYS']),
    acceptRollback: values['accept-rollback'] || undefined,
    recoverOwner: values['recover-owner'] === true,
    userDataFolder: join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'keyhold'),
    tls: tls(values['tls-cert'] ?? env['KEYHOLD_TLS_CERT'], values['tls-key'] ?? env['KEYHOLD_TLS_KEY']),
    clientCertificates: clientCertificates(
      values['tls-client-ca'] ?? env['KEYHOLD_TLS_CLIENT_CA'],
      values['tls-client-port'] ?? env['KEYHOLD_TLS_CLIENT_PORT'],
    ),
    behindProxy: values['behind-proxy'] ?? yesOrNo('KEYHOLD_BEHIND_PROXY', env['KEYHOLD_BEHIND_PROXY']),
    publicUrl: publicUrl(env['KEYHOLD_PUBLIC_URL']),
    trustedProxies: networks('KEYHOLD_TRUSTED_PROXIES', env['KEYHOLD_TRUSTED_PROXIES'] ?? ''),
    withVerifier: values['no-verifier'] !== true,
    restore: {
      input: values.input,
      identityFile: values['identity-file'],
      drill: values.drill === true,
      inputFiles: values['input-file'] ?? [],
    },
    controlUrl: controlUrl(values.control ?? env['KEYHOLD_CONTROL_URL']),
    tokenFile: values['token-file'] ?? env['KEYHOLD_TOKEN_FILE'],
    controlCertificateFile: values['control-cert'] ?? env['KEYHOLD_CONTROL_CERT'],
    redisUrl: secretUrl('KEYHOLD_REDIS_URL', env['KEYHOLD_REDIS_URL'], env['KEYHOLD_REDIS_URL_FILE']),
    redisDurable: yesOrNo('KEYHOLD_REDIS_DURABLE', env['KEYHOLD_REDIS_DURABLE']),
    logLevel: logLevel(env['KEYHOLD_LOG_LEVEL'] ?? 'info'),
    passwordsInEnvironment: ['KEYHOLD_DATABASE_URL', 'KEYHOLD_REDIS_URL'].filter((name) => hasPassword(env[name])),
    childEnvironment: {
      ...environment,
      KEYHOLD_DATABASE_URL: undefined,
      KEYHOLD_DATABASE_URL_FILE: undefined,
      KEYHOLD_KEY_FILE: undefined,
      // Signatures of public keys are verified there: on every core.
      UV_THREADPOOL_SIZE: env['UV_THREADPOOL_SIZE'] ?? String(Math.max(4, availableParallelism())),
    },
  };
  refuseOpenPlaintext(config);
  refuseLentCertificates(config);
  refuseKeyInData(config);
  return config;
}

/** What the library of an HSM's maker gets to see: it runs with our rights, and shares nothing with verifiers. */
export function environmentOfLibrary({ childEnvironment }: Pick<Config, 'childEnvironment'>): Environment {
  return { ...childEnvironment, KEYHOLD_REDIS_URL: undefined, KEYHOLD_REDIS_URL_FILE: undefined };
}

/**
 * A URL that may hold a password. In a file it stands in nobody's list of processes: a process's environment is for
 * whoever runs as the same user, and for every child.
 */
function secretUrl(name: string, given = '', file = ''): string | undefined {
  if (file === '') return given || undefined;
  if (given !== '') throw new ConfigError(`give ${name} or ${name}_FILE, not both`);
  refuseLooseHanded(`file of ${name}`, file);
  const text = readFileSync(file, 'utf8').trim();
  // Where it fails later it would be repeated.
  if (!URL.canParse(text)) throw new ConfigError(`${name}_FILE: ${file} does not hold a URL`);
  return text;
}

/** What is neither would count as not set, and nobody would be told. */
function yesOrNo(name: string, text = 'false'): boolean {
  if (text !== 'true' && text !== 'false') throw new ConfigError(`${name} is true or false`);
  return text === 'true';
}

function hasPassword(text: string | undefined): boolean {
  const url = URL.parse(text ?? '');
  return url !== null && (url.password !== '' || url.searchParams.has('password'));
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new ConfigError(message);
    const flags = Object.keys(OPTIONS).map((name) => `--${name}`);
    throw new ConfigError(`${/^[^.]+/.exec(message)?.[0]}; there are ${flags.join(', ')}`);
  }
}

function port(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535)
    throw new ConfigError(`${name} is "${text}"; it takes a port, 0–65535`);
  return value;
}

function days(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new ConfigError(`${name} is "${text}"; it takes whole days, from 1 on`);
  return Number(text);
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

function logLevel(text: string): string {
  if (LOG_LEVELS.includes(text)) return text;
  throw new ConfigError(`KEYHOLD_LOG_LEVEL is "${text}"; it takes one of ${LOG_LEVELS.join(', ')}`);
}

/** What is wrong with it is not repeated: it may hold a password. */
function databaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new ConfigError('KEYHOLD_DATABASE_URL takes an address such as postgres://user:password@host/database');
}

function controlUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new ConfigError('--control (KEYHOLD_CONTROL_URL) takes an address such as https://keys.example:7070');
}

function networks(name: string, text: string): string[] {
  const all = text.split(',').map((one) => one.trim());
  const given = all.filter(Boolean);
  const bad = given.find((one) => !isNetwork(one));
  if (bad === undefined) return given;
  throw new ConfigError(
    `${name} has "${bad}"; it takes networks such as 10.0.0.0/8 or 2001:db8::1, with commas between`,
  );
}

function isNetwork(text: string): boolean {
  const [address = '', length, ...more] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (length === undefined) return bits > 0;
  return more.length === 0 && /^\d{1,3}$/.test(length) && Number(length) <= bits && Number(length) > 0;
}

function tls(certificateFile: string | undefined, keyFile: string | undefined): Config['tls'] {
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined || keyFile === undefined) {
    throw new ConfigError('--tls-cert and --tls-key go together');
  }
  return { certificateFile, keyFile };
}

function clientCertificates(file: string | undefined, text: string | undefined): Config['clientCertificates'] {
  if (file === undefined || file === '') return undefined;
  return { authoritiesFile: file, port: port('KEYHOLD_TLS_CLIENT_PORT', text, 7074) };
}

/** Browsers keep cookies and passkeys for https, and for this machine (WebAuthn §5). */
function publicUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const url = URL.parse(text);
  const isLocal = url?.protocol === 'http:' && url.hostname === 'localhost';
  if (url?.origin === text.replace(/\/$/, '') && (url.protocol === 'https:' || isLocal)) return url.origin;
  throw new ConfigError(
    `KEYHOLD_PUBLIC_URL is "${text}"; it takes scheme, host and port of what people open, such as https://keys.example`,
  );
}

const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;

/** Keys and tokens in the clear on a network are lost: only loopback is served so. */
function refuseOpenPlaintext({ host, tls: given, behindProxy }: Config): void {
  if (LOOPBACK.test(host) || given !== undefined || behindProxy) return;
  throw new ConfigError(
    `${host} is not a loopback address: give --tls-cert and --tls-key, or --behind-proxy when a proxy terminates TLS`,
  );
}

/** Whoever comes through a proxy would come with the proxy's certificate. */
function refuseLentCertificates(config: Config): void {
  const { command, clientCertificates: asked, tls: given, behindProxy, trustedProxies } = config;
  if (command !== 'serve' || asked === undefined) return;
  if (given === undefined) throw new ConfigError('--tls-client-ca goes with --tls-cert and --tls-key');
  if (!behindProxy && trustedProxies.length === 0) return;
  throw new ConfigError(
    '--tls-client-ca needs connections that end here: it goes neither with --behind-proxy nor with KEYHOLD_TRUSTED_PROXIES',
  );
}

/** Encrypted data and the key to it in one place are worth what the key is worth. */
function refuseKeyInData({ command, keyFile, userDataFolder, dataFolder }: Config): void {
  const [first] = relative(dataFolder, resolve(keyFile ?? userDataFolder)).split('/');
  if (command !== 'serve' || first === '..') return;
  throw new ConfigError(
    `the root key would lie in the data folder ${dataFolder}, and whoever takes that has both: name a place outside of it in KEYHOLD_KEY_FILE`,
  );
}
