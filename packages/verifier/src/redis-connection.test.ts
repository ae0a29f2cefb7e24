import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { RedisStore } from './redis-store.ts';
import { haveRedis, RealRedis } from './testing/real-redis.ts';
import { takeRequest, WatchedStore } from './testing/shared-requests.ts';

const PASSWORD = 'p:s/w@rd';
const WRONG = 'wr0ng-s3cret';

describe('the password in the URL', () => {
  it('is for Redis, and stands in nothing that is said of it', async (t) => {
    if (!haveRedis(t)) return;
    await using redis = await RealRedis.start('--requirepass', PASSWORD);
    const url = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}/3`;
    using store = await new WatchedStore({ url: url(PASSWORD) }).untilReady();
    assert.equal((await store.take(takeRequest())).code, 'VALID');
    using stranger = new WatchedStore({ url: url(WRONG) });
    while (stranger.history.length === 0) await store.take(takeRequest());
    const taken = await stranger.take(takeRequest());
    assert.equal(taken.code, 'UNAVAILABLE');
    const said = JSON.stringify([stranger.history, stranger.unavailable, taken]) + inspect(stranger);
    assert.ok(/NOAUTH|WRONGPASS/.test(said) && !said.includes(WRONG), said);
  });

  it('is not shown where the URL is none', () => {
    for (const url of [
      `http://:${WRONG}@host`,
      `redis://:${WRONG}@host:port`,
      WRONG,
      `redis://:${WRONG}@host/${WRONG}`,
    ]) {
      assert.throws(
        () => new RedisStore({ url }),
        (error) => !inspect(error).includes(WRONG),
      );
    }
  });
});

it('TLS: a server of the authority is asked, another is not', async (t) => {
  if (!haveRedis(t)) return;
  await using plain = await RealRedis.start();
  const file = (name: string) => join(plain.folder, name);
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
    ...['-keyout', file('key.pem'), '-out', file('cert.pem'), ...names],
  ]);
  if (made.error !== undefined) {
    if (process.env['CI'] === 'true') throw new Error('openssl is missing, and in CI everything is tested');
    return t.diagnostic('not tested: openssl is missing');
  }
  const port = await RealRedis.freePort();
  const certificate = ['--tls-cert-file', file('cert.pem'), '--tls-key-file', file('key.pem')];
  await using redis = await RealRedis.start('--tls-port', `${port}`, '--tls-auth-clients', 'no', ...certificate);
  const url = `rediss://localhost:${port}`;
  using store = await new WatchedStore({ url, ca: readFileSync(file('cert.pem'), 'utf8') }).untilReady();
  assert.equal((await store.take(takeRequest())).code, 'VALID');
  using doubting = new WatchedStore({ url });
  while (!doubting.history.some((reason) => /certificate/.test(reason))) await store.take(takeRequest());
  assert.equal(doubting.ready, false);
  assert.ok(redis.port > 0);
});

describe('settings that an operator should mend are named', () => {
  it('eviction, and a memory that no restart survives', async (t) => {
    if (!haveRedis(t)) return;
    await using redis = await RealRedis.start('--maxmemory-policy', 'allkeys-lru');
    using store = await new WatchedStore({ url: redis.url, durable: true }).untilReady();
    assert.deepEqual(
      store.warnings.map((warning) => warning.split(' ').slice(0, 3).join(' ')),
      ['maxmemory-policy is allkeys-lru:', 'appendonly is no:', 'it is said'],
    );
  });

  it('and where they may not be asked for, it works without', async (t) => {
    if (!haveRedis(t)) return;
    await using redis = await RealRedis.start();
    using connection = redis.connect();
    const may = [
      '~keyhold:*',
      '-@all',
      '+info',
      '+time',
      '+script|load',
      '+evalsha',
      '+get',
      '+set',
      '+del',
      '+hget',
      '+hmget',
      '+hset',
      '+hdel',
      '+zadd',
      '+zrangebyscore',
      '+zrem',
      '+zscore',
    ];
    await connection.client.call('ACL', 'SETUSER', 'verifier', 'on', '>secret', ...may);
    const url = redis.url.replace('//', '//verifier:secret@');
    using store = await new WatchedStore({ url }).untilReady();
    assert.deepEqual(store.warnings, []);
    assert.equal((await store.take(takeRequest())).code, 'VALID');
  });
});

it('closed, it answers at once and holds no process open', async (t) => {
  if (!haveRedis(t)) return;
  await using redis = await RealRedis.start();
  const store = await new WatchedStore({ url: redis.url }).untilReady();
  const waiting = store.take(takeRequest());
  store.close();
  assert.deepEqual([(await waiting).code, (await store.take(takeRequest())).code], ['UNAVAILABLE', 'UNAVAILABLE']);
  assert.deepEqual(store.history, ['ready', 'closed']);
});
