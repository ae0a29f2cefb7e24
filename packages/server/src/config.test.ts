import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { type Config, ConfigError, environmentOfLibrary, readConfig } from './config.ts';

/** Each variable: what it sets, to what where nothing is said, and to what by this text. */
const SETTINGS: Readonly<
  Record<string, { of: (config: Config) => unknown; unset?: unknown; text: string; set?: unknown }>
> = {
  KEYHOLD_DATA: { of: (config) => config.dataFolder, unset: resolve('./data'), text: '/srv/keyhold' },
  KEYHOLD_HOST: { of: (config) => config.host, unset: '127.0.0.1', text: '::1' },
  KEYHOLD_PORT: { of: (config) => config.port, unset: 7070, text: '0', set: 0 },
  KEYHOLD_VERIFIER_PORT: { of: (config) => config.verifierPort, unset: 7071, text: '65535', set: 65_535 },
  KEYHOLD_VAULT_PORT: { of: (config) => config.vaultPort, unset: 7073, text: '8200', set: 8200 },
  KEYHOLD_DATABASE_URL: { of: (config) => config.databaseUrl, text: 'postgres://db/keyhold' },
  KEYHOLD_KEY_FILE: { of: (config) => config.keyFile, text: '/keys/root' },
  KEYHOLD_HEAD_FILE: { of: (config) => config.headFile, text: '/heads/newest' },
  XDG_DATA_HOME: {
    of: (config) => config.userDataFolder,
    unset: join(homedir(), '.local/share/keyhold'),
    ...{ text: '/home/data', set: '/home/data/keyhold' },
  },
  KEYHOLD_WITNESS_POLICY: { of: (config) => config.witnessPolicyFile, text: '/etc/witnesses' },
  KEYHOLD_AUDIT_DAYS: { of: (config) => config.auditDays, text: '400', set: 400 },
  KEYHOLD_TLS_CERT: { of: (config) => config.tls?.certificateFile, text: 'c' },
  KEYHOLD_TLS_KEY: { of: (config) => config.tls?.keyFile, text: 'k' },
  KEYHOLD_TLS_CLIENT_CA: { of: (config) => config.clientCertificates?.authoritiesFile, text: 'ca' },
  KEYHOLD_TLS_CLIENT_PORT: { of: (config) => config.clientCertificates?.port, text: '7', set: 7 },
  KEYHOLD_BEHIND_PROXY: { of: (config) => config.behindProxy, unset: false, text: 'true', set: true },
  KEYHOLD_PUBLIC_URL: { of: (config) => config.publicUrl, text: 'https://keys.example' },
  KEYHOLD_TRUSTED_PROXIES: {
    of: (config) => config.trustedProxies,
    unset: [],
    ...{ text: '10.0.0.0/8, 192.0.2.1', set: ['10.0.0.0/8', '192.0.2.1'] },
  },
  KEYHOLD_CONTROL_URL: { of: (config) => config.controlUrl, text: 'https://control' },
  KEYHOLD_TOKEN_FILE: { of: (config) => config.tokenFile, text: '/keys/token' },
  KEYHOLD_CONTROL_CERT: { of: (config) => config.controlCertificateFile, text: '/keys/cert' },
  KEYHOLD_REDIS_URL: { of: (config) => config.redisUrl, text: 'redis://cache' },
  KEYHOLD_REDIS_DURABLE: { of: (config) => config.redisDurable, unset: false, text: 'true', set: true },
  UV_THREADPOOL_SIZE: {
    of: (config) => config.childEnvironment['UV_THREADPOOL_SIZE'],
    unset: String(Math.max(4, availableParallelism())),
    text: '9',
  },
  KEYHOLD_LOG_LEVEL: { of: (config) => config.logLevel, unset: 'info', text: 'warn' },
};

const VARIABLES = [...readFileSync(new URL('./config.ts', import.meta.url), 'utf8').matchAll(/env\['(\w+)'\]/g)]
  .map((match) => match[1] as string)
  .filter((name, i, all) => all.indexOf(name) === i);

describe('the configuration', () => {
  it('serves on loopback with SQLite where nothing is set', () => {
    const { command, withVerifier, acceptRollback, recoverOwner } = readConfig([], {});
    assert.deepEqual([command, withVerifier, acceptRollback, recoverOwner], ['serve', true, undefined, false]);
    for (const [name, { of, unset }] of Object.entries(SETTINGS)) assert.deepEqual(of(readConfig([], {})), unset, name);
    assert.equal(readConfig([], { KEYHOLD_PORT: '0' }).vaultPort, 0, 'any free port for one is any for both');
  });

  it('takes everything from the environment', () => {
    const given = Object.entries(SETTINGS).map(([name, { text }]) => [name, text]);
    const config = readConfig(['verifier'], Object.fromEntries(given));
    assert.equal(config.command, 'verifier');
    for (const [name, { of, text, set = text }] of Object.entries(SETTINGS)) assert.deepEqual(of(config), set, name);
    // Of URLs in files there is a test of its own.
    const others = VARIABLES.filter((name) => !name.endsWith('_URL_FILE'));
    assert.deepEqual(Object.keys(SETTINGS).sort(), others.sort());
    assert.throws(() => readConfig([], { KEYHOLD_AUDIT_DAYS: '0' }), /KEYHOLD_AUDIT_DAYS is "0"; it takes whole days/);
  });

  it('lets a flag win over the environment', () => {
    const ports = { KEYHOLD_PORT: '1', KEYHOLD_VERIFIER_PORT: '1', KEYHOLD_VAULT_PORT: '1' };
    const env = { ...ports, KEYHOLD_DATA: '/a', KEYHOLD_HOST: '::1' };
    const flags = '--port 3 --verifier-port 4 --vault-port 5 --data /b --host 127.0.0.2 --no-verifier'.split(' ');
    const { port, dataFolder, verifierPort, vaultPort, host, withVerifier } = readConfig(['serve', ...flags], env);
    assert.deepEqual([port, verifierPort, vaultPort], [3, 4, 5]);
    assert.deepEqual([dataFolder, host, withVerifier], ['/b', '127.0.0.2', false]);
  });

  it('takes a URL that may hold a password from a file that is closed to others, and passes it on to nobody', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'url');
    for (const [name, field, url] of [
      ['KEYHOLD_REDIS_URL', 'redisUrl', 'redis://:word@cache:6379'],
      ['KEYHOLD_DATABASE_URL', 'databaseUrl', 'postgres://keyhold:word@db/keyhold'],
    ] as const) {
      writeFileSync(file, `${url}\n`, { mode: 0o600 });
      const config = readConfig([], { [`${name}_FILE`]: file });
      assert.equal(config[field], url);
      assert.deepEqual(config.passwordsInEnvironment, []);
      for (const [given, warned] of Object.entries({ [url]: [name], [url.replace(/[^/]*word@/, '')]: [] }))
        assert.deepEqual(readConfig([], { [name]: given }).passwordsInEnvironment, warned, given);
      const passed = environmentOfLibrary(readConfig([], { [name]: url }));
      assert.deepEqual([passed[name], environmentOfLibrary(config)[`${name}_FILE`]], [undefined, undefined]);
      const both = { [name]: url, [`${name}_FILE`]: file };
      assert.throws(() => readConfig([], both), { name: 'ConfigError', message: /not both/ });
      chmodSync(file, 0o644);
      assert.throws(() => readConfig([], { [`${name}_FILE`]: file }), { name: 'LooseModes', message: /chmod 640/ });
      chmodSync(file, 0o600);
    }
    writeFileSync(file, 'word');
    const notUrl = (error: Error) => error instanceof ConfigError && !error.message.includes('word');
    assert.throws(() => readConfig([], { KEYHOLD_REDIS_URL_FILE: file }), notUrl);
  });

  const refusals: readonly [args: string[], env: Record<string, string>, says: RegExp][] = [
    [['run'], {}, /unknown command "run"/],
    [['serve', 'now'], {}, /"now" is one argument too many/],
    [['--prot', '1'], {}, /^Unknown option '--prot'; there are --data, .*--control-cert$/],
    [['--port', '70000'], {}, /KEYHOLD_PORT is "70000"/],
    [['--port', '-1'], {}, /port/i],
    [[], { KEYHOLD_PORT: '7070a' }, /KEYHOLD_PORT is "7070a"/],
    [[], { KEYHOLD_VERIFIER_PORT: '1e3' }, /KEYHOLD_VERIFIER_PORT is "1e3"/],
    [['--tls-cert', 'c.pem'], {}, /--tls-cert and --tls-key go together/],
    [[], { KEYHOLD_TLS_KEY: 'k.pem' }, /--tls-cert and --tls-key go together/],
    [['--tls-client-ca', 'ca', '--tls-client-port', 'x'], {}, /KEYHOLD_TLS_CLIENT_PORT is "x"/],
    [['--tls-client-ca', 'ca.pem'], {}, /--tls-client-ca goes with --tls-cert/],
    [['--tls-cert', 'c', '--tls-key', 'k', '--tls-client-ca', 'ca', '--behind-proxy'], {}, /connections that end here/],
    [
      ['--tls-cert', 'c', '--tls-key', 'k'],
      { KEYHOLD_TLS_CLIENT_CA: 'ca', KEYHOLD_TRUSTED_PROXIES: '10.0.0.1' },
      /connections that end here/,
    ],
    [[], { KEYHOLD_LOG_LEVEL: 'loud' }, /KEYHOLD_LOG_LEVEL is "loud"; it takes one of trace, debug/],
    [[], { KEYHOLD_TRUSTED_PROXIES: '10.0.0.0/8, garbage' }, /KEYHOLD_TRUSTED_PROXIES has "garbage"/],
    [[], { KEYHOLD_TRUSTED_PROXIES: '10.0.0.0/33' }, /has "10\.0\.0\.0\/33"; it takes networks such as/],
    [[], { KEYHOLD_TRUSTED_PROXIES: '::1/x' }, /has "::1\/x"/],
    [[], { KEYHOLD_DATABASE_URL: 'postgres//u:p@h/d' }, /takes an address such as postgres:\/\/user:password@host/],
    [[], { KEYHOLD_DATABASE_URL: 'mysql://u:p@h/d' }, /KEYHOLD_DATABASE_URL takes an address such as/],
    [['verifier', '--control', 'garbage'], {}, /--control \(KEYHOLD_CONTROL_URL\) takes an address such as https/],
    [['--host', '0.0.0.0'], {}, /0\.0\.0\.0 is not a loopback address/],
    [[], { KEYHOLD_HOST: '::' }, /not a loopback address/],
    [['--host', 'keyhold.internal'], {}, /not a loopback address/],
    [['--host', '127.0.0.1.example'], {}, /not a loopback address/],
  ];
  for (const [args, env, says] of refusals) {
    it(`refuses ${JSON.stringify(args)} with ${JSON.stringify(env)}, and says why`, () => {
      assert.throws(
        () => readConfig(args, env),
        (error: unknown) => error instanceof ConfigError && says.test(error.message),
      );
    });
  }

  it('repeats nothing of a database address, which may hold a password', () => {
    const env = { KEYHOLD_DATABASE_URL: 'postgres:/user:hunter2@host/database' };
    assert.throws(() => readConfig([], env), { name: 'ConfigError', message: /^(?!.*hunter2)/ });
  });

  it('takes what is set to nothing for what is not set', () => {
    assert.ok(VARIABLES.includes('KEYHOLD_HOST') && VARIABLES.includes('UV_THREADPOOL_SIZE'));
    const empty = readConfig([], Object.fromEntries(VARIABLES.map((name) => [name, ''])));
    assert.deepEqual({ ...empty, childEnvironment: null }, { ...readConfig([], {}), childEnvironment: null });
    assert.equal(
      empty.childEnvironment['UV_THREADPOOL_SIZE'],
      readConfig([], {}).childEnvironment['UV_THREADPOOL_SIZE'],
    );
  });

  it('refuses a switch that is neither true nor false, where it would count as not set', () => {
    for (const name of ['KEYHOLD_BEHIND_PROXY', 'KEYHOLD_REDIS_DURABLE']) {
      for (const text of ['yes', '1', 'TRUE'])
        assert.throws(() => readConfig([], { [name]: text }), {
          name: 'ConfigError',
          message: `${name} is true or false`,
        });
      readConfig([], { [name]: 'false' });
    }
  });

  it('serves beyond loopback with TLS, or behind a proxy that terminates it', () => {
    const tls = readConfig(['--host', '0.0.0.0', '--tls-cert', 'c', '--tls-key', 'k'], {});
    assert.deepEqual([tls.tls, tls.clientCertificates], [{ certificateFile: 'c', keyFile: 'k' }, undefined]);
    const asking = readConfig(['--tls-cert', 'c', '--tls-key', 'k'], { KEYHOLD_TLS_CLIENT_CA: 'ca' });
    assert.deepEqual(asking.clientCertificates, { authoritiesFile: 'ca', port: 7074 });
    // It is the control plane's own, and others read the same environment.
    const proxied = { KEYHOLD_TLS_CLIENT_CA: 'ca', KEYHOLD_BEHIND_PROXY: 'true' };
    assert.equal(readConfig(['verifier'], proxied).behindProxy, true);
    assert.equal(readConfig(['--host', '0.0.0.0', '--behind-proxy'], {}).behindProxy, true);
    assert.equal(readConfig([], { KEYHOLD_HOST: '0.0.0.0', KEYHOLD_BEHIND_PROXY: 'true' }).behindProxy, true);
  });
});
