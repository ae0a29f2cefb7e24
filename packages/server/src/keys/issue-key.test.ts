import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';

const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(Date.now() + ms).toISOString();

onEachDatabase('issuing a key', (createPlace) => {
  const shared = shareMarket(createPlace);
  const body = (settings: object) => ({
    project: 'market',
    environment: 'test',
    consumer: shared().market.consumer,
    name: 'key',
    permissions: ['prices:read'],
    ...settings,
  });
  const issue = (settings: object) => shared().expect(201, 'POST', '/v1/keys', body(settings));

  it('shows the secret once, with the prefix of its environment, and a key without limits or end', async () => {
    const { key, credential, secret } = await issue({});
    assert.match(secret, /^mkt_test_[0-9A-Za-z]{49}$/);
    assert.equal(credential.hint, secret.slice('mkt_test_'.length, 'mkt_test_'.length + 4));
    const { id, createdAt, credentials, ...settings } = key;
    assert.deepEqual(settings, {
      project: 'market',
      environment: 'test',
      consumer: shared().market.consumer,
      name: 'key',
      state: 'active',
      reason: null,
      permissions: ['prices:read'],
      allowedNetworks: [],
      addressBook: [],
      rateLimits: [],
      quota: null,
      metadata: null,
      startsAt: null,
      expiresAt: null,
    });
    assert.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 10_000);
    assert.deepEqual(credentials, [credential]);
    const found = await shared().expect(200, 'GET', `/v1/keys/${id}`);
    assert.deepEqual(found, key);
    assert.equal(JSON.stringify(found).includes(secret), false);
  });

  it('is usable when the reply returns', async () => {
    for (let i = 0; i < 10; i++) assert.equal(await shared().codeOf((await issue({})).secret), 'VALID');
  });

  it('counts ttlSeconds from the start of the key', async () => {
    const now = await issue({ ttlSeconds: 60 });
    assert.equal(Date.parse(now.key.expiresAt) - Date.parse(now.key.createdAt), 60_000);
    const startsAt = at(HOUR_MS);
    const later = await issue({ ttlSeconds: 60, startsAt });
    assert.equal(Date.parse(later.key.expiresAt) - Date.parse(startsAt), 60_000);
    assert.equal(later.key.state, 'pre-active');
    assert.equal(await shared().codeOf(later.secret), 'NOT_YET_VALID');
  });

  it('lets a key end by the clock alone', async () => {
    const { key, secret } = await issue({ expiresAt: at(700) });
    assert.equal(await shared().codeOf(secret), 'VALID');
    await new Promise((resolve) => setTimeout(resolve, Date.parse(key.expiresAt) - Date.now() + 5));
    assert.equal(await shared().codeOf(secret), 'EXPIRED');
    assert.equal((await shared().expect(200, 'GET', `/v1/keys/${key.id}`)).state, 'deactivated');
  });

  const refusals: readonly [name: string, settings: () => object, field: string][] = [
    ['two ends at once', () => ({ ttlSeconds: 60, expiresAt: at(HOUR_MS) }), '/ttlSeconds'],
    ['an end in the past', () => ({ expiresAt: at(-1000) }), '/expiresAt'],
    ['an end before the start', () => ({ startsAt: at(2 * HOUR_MS), expiresAt: at(HOUR_MS) }), '/expiresAt'],
    ['a day that no calendar has', () => ({ expiresAt: '2031-02-31T25:00:00Z' }), '/expiresAt'],
    ['a time without a zone', () => ({ startsAt: '2031-01-01T00:00:00' }), '/startsAt'],
    ['a life of no length', () => ({ ttlSeconds: 0 }), '/ttlSeconds'],
    ['a network that is none', () => ({ allowedNetworks: ['10.0.0.0/8', '10.0.0.300'] }), '/allowedNetworks/1'],
    ['an IPv4 network of 33 bits', () => ({ allowedNetworks: ['10.0.0.0/33'] }), '/allowedNetworks/0'],
    ['two limits of one name', () => ({ rateLimits: [limit('a'), limit('b'), limit('a')] }), '/rateLimits/2/name'],
    ['a limit of nothing', () => ({ rateLimits: [{ ...limit('a'), limit: 0 }] }), '/rateLimits/0/limit'],
    ['more than 4 KiB of metadata', () => ({ metadata: { text: 'x'.repeat(4096) } }), '/metadata'],
    ['metadata six levels deep', () => ({ metadata: { a: { b: { c: { d: { e: {} } } } } } }), '/metadata'],
    ['a permission with one segment', () => ({ permissions: ['prices'] }), '/permissions/0'],
    ['a field that it does not know', () => ({ admin: true }), '/admin'],
  ];
  for (const [name, settings, field] of refusals) {
    it(`refuses ${name} and names the field`, async () => {
      const problem = await shared().expect(400, 'POST', '/v1/keys', body(settings()));
      assert.equal(problem.code, 'INVALID_INPUT');
      assert.equal(problem.field, field);
    });
  }

  it('takes metadata up to its bounds and gives it back with the verdict', async () => {
    const deep = { a: { b: { c: { d: 1 } } }, name: 'Zoë', text: '' };
    const metadata = { ...deep, text: 'x'.repeat(4096 - Buffer.byteLength(JSON.stringify(deep))) };
    const { key, secret } = await issue({ metadata });
    assert.deepEqual(key.metadata, metadata);
    const verdict = await shared().installation.verify({ key: secret, environment: 'market/test' });
    assert.deepEqual(verdict.metadata, metadata);
  });

  it('points at the field of the body that names nothing, and tells an unknown token that it is one', async () => {
    const elsewhere = await shared().expect(404, 'POST', '/v1/keys', body({ project: 'nonesuch' }));
    assert.deepEqual([elsewhere.code, elsewhere.field], ['PROJECT_NOT_FOUND', '/project']);
    const nowhere = await shared().expect(404, 'POST', '/v1/keys', body({ environment: 'nonesuch' }));
    assert.deepEqual([nowhere.code, nowhere.field], ['ENVIRONMENT_NOT_FOUND', '/environment']);
    const { call } = shared().installation;
    const listed = await call('GET', '/v1/keys?project=nonesuch');
    assert.deepEqual([listed.body.code, listed.body.field], ['PROJECT_NOT_FOUND', 'project']);
    const unknown = await call('GET', '/v1/keys', undefined, { token: 'keyhold_none' });
    assert.deepEqual(
      [unknown.status, unknown.body.detail],
      [401, 'This token opens nothing here: it is unknown, revoked or over.'],
    );
  });

  it('gives no key to a consumer of another project', async () => {
    await shared().expect(201, 'POST', '/v1/projects', { slug: 'other', name: 'Other' });
    const stranger = await shared().expect(201, 'POST', '/v1/consumers', { project: 'other', name: 'stranger' });
    const problem = await shared().expect(404, 'POST', '/v1/keys', body({ consumer: stranger.id }));
    assert.deepEqual([problem.code, problem.field], ['CONSUMER_NOT_FOUND', '/consumer']);
  });

  it('writes nothing when it refuses', async () => {
    const before = await shared().expect(200, 'GET', '/v1/installation');
    await shared().expect(400, 'POST', '/v1/keys', body({ allowedNetworks: ['10.0.0.0/33'] }));
    await shared().expect(404, 'POST', '/v1/keys', body({ project: 'absent' }));
    assert.equal((await shared().expect(200, 'GET', '/v1/installation')).sequence, before.sequence);
  });
});

function limit(name: string) {
  return { name, limit: 5, windowSeconds: 60 };
}
