import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { ConfigError, environmentOfLibrary, readConfig } from './config.ts';

describe('the configuration', () => {
  it('serves on loopback with SQLite where nothing is set', () => {
    const config = readConfig([], {});
    assert.equal(config.command, 'serve');
    assert.equal(config.dataFolder, resolve('./data'));
    assert.deepEqual([config.host, config.port, config.verifierPort], ['127.0.0.1', 7070, 7071]);
    assert.deepEqual([config.databaseUrl, config.keyFile, config.tls], [undefined, undefined, undefined]);
    assert.deepEqual([config.withVerifier, config.behindProxy, config.trustedProxies], [true, false, []]);
  });

  it('takes everything from the environment', () => {
    const config = readConfig(['verifier'], {
      KEYHOLD_DATA: '/srv/keyhold',
      KEYHOLD_HOST: '::1',
      KEYHOLD_PORT: '0',
      KEYHOLD_VERIFIER_PORT: '65535',
      KEYHOLD_DATABASE_URL: 'postgres://db/keyhold',
      KEYHOLD_KEY_FILE: '/keys/root',
      KEYHOLD_TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.1',
      KEYHOLD_CONTROL_URL: 'https://control',
      KEYHOLD_TOKEN_FILE: '/keys/token',
      KEYHOLD_CONTROL_CERT: '/keys/cert',
      KEYHOLD_LOG_LEVEL: 'warn',
      KEYHOLD_AUDIT_DAYS: '400',
    });
    assert.equal(config.auditDays, 400);
    assert.throws(() => readConfig([], { KEYHOLD_AUDIT_DAYS: '0' }), /KEYHOLD_AUDIT_DAYS is "0"; it takes whole days/);
    const { command, dataFolder, host, port, verifierPort, databaseUrl, keyFile } = config;
    assert.deepEqual(
      { command, dataFolder, host, port, verifierPort, databaseUrl, keyFile },
      {
        command: 'verifier',
        dataFolder: '/srv/keyhold',
        host: '::1',
        port: 0,
        verifierPort: 65535,
        databaseUrl: 'postgres://db/keyhold',
        keyFile: '/keys/root',
      },
    );
    assert.deepEqual(config.trustedProxies, ['10.0.0.0/8', '192.0.2.1']);
    assert.deepEqual([config.controlUrl, config.tokenFile], ['https://control', '/keys/token']);
    assert.deepEqual([config.controlCertificateFile, config.logLevel], ['/keys/cert', 'warn']);
  });

  it('lets a flag win over the environment', () => {
    const env = { KEYHOLD_PORT: '1', KEYHOLD_DATA: '/a', KEYHOLD_VERIFIER_PORT: '2', KEYHOLD_HOST: '::1' };
    const flags = ['--port', '3', '--data', '/b', '--verifier-port', '4', '--host', '127.0.0.2', '--no-verifier'];
    const { port, dataFolder, verifierPort, host, withVerifier } = readConfig(['serve', ...flags], env);
    assert.deepEqual([port, dataFolder, verifierPort, host, withVerifier], [3, '/b', 4, '127.0.0.2', false]);
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
    const names = [...readFileSync(new URL('./config.ts', import.meta.url), 'utf8').matchAll(/env\['(\w+)'\]/g)].map(
      (match) => match[1] as string,
    );
    assert.ok(names.includes('KEYHOLD_HOST') && names.includes('UV_THREADPOOL_SIZE'));
    const empty = readConfig([], Object.fromEntries(names.map((name) => [name, ''])));
    assert.deepEqual({ ...empty, childEnvironment: null }, { ...readConfig([], {}), childEnvironment: null });
    assert.equal(
      empty.childEnvironment['UV_THREADPOOL_SIZE'],
      readConfig([], {}).childEnvironment['UV_THREADPOOL_SIZE'],
    );
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
