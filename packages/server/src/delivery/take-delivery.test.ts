import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPlace as createOwnPlace, onEachDatabase } from '../testing/databases.ts';
import { send } from '../testing/installation.ts';
import { controlProcess } from '../testing/process-installation.ts';
import { freePort, startProcess } from '../testing/processes.ts';
import { openRaw } from '../testing/raw-database.ts';
import { assertStatus } from '../testing/shared-market.ts';
import { shareVault } from '../testing/shared-vault.ts';

onEachDatabase('a delivery', (createPlace) => {
  const shared = shareVault(createPlace);
  let made = 0;
  /** A stored secret that waits for whoever has the token. */
  const deliver = async (ttlSeconds = 60) => {
    const path = `waiting/${++made}`;
    const body = { project: 'default', environment: 'production', path, data: { made } };
    const { secret } = await shared().expect(201, 'POST', '/v1/secrets', body);
    const to = { deliverTo: { once: { ttlSeconds } } };
    const { delivery } = await shared().expect(201, 'POST', `/v1/secrets/${secret.id}/deliver`, to);
    return { secretId: secret.id as string, id: delivery.id as string, token: delivery.token as string, made };
  };
  const take = (token: string | undefined) =>
    send(new URL('/v1/deliveries/take', shared().installation.controlUrl), 'POST', undefined, {
      ...(token === undefined ? {} : { token }),
    });
  const actions = async (subject: string) => (await shared().actionsOn(subject)).slice(-2);

  it('is taken once; who comes a second time gets nothing and raises an alarm', async () => {
    const { secretId, id, token, made } = await deliver();
    const first = await take(token);
    assert.deepEqual([first.status, first.body], [200, { subject: secretId, content: { made } }]);
    assert.equal(first.headers.get('cache-control'), 'no-store');
    assert.deepEqual(await shared().alarmsAbout(id), []);
    const { status, body } = await take(token);
    assert.deepEqual([status, body.code], [404, 'DELIVERY_GONE']);
    assert.deepEqual(await shared().alarmsAbout(id), ['DELIVERY_TAKEN_TWICE']);
    assert.deepEqual(await actions(secretId), ['delivery.taken', 'delivery.refused']);
  });

  it('is given to exactly one of 1,000 who come at once', async () => {
    const { secretId, id, token, made } = await deliver();
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => take(token)));
    const taken = answers.filter(({ status }) => status === 200);
    assert.deepEqual(
      taken.map(({ body }) => body.content),
      [{ made }],
    );
    assert.ok(answers.every(({ status, body }) => status === 200 || (status === 404 && body.code === 'DELIVERY_GONE')));
    assert.deepEqual(await shared().alarmsAbout(id), ['DELIVERY_TAKEN_TWICE']);
    const all = await shared().actionsOn(secretId);
    assert.equal(all.filter((action) => action === 'delivery.taken').length, 1);
    // One a minute: the crowd may straddle the turn of one.
    const refused = all.filter((action) => action === 'delivery.refused').length;
    assert.ok(refused === 1 || refused === 2, `${refused} entries of refusals`);
  });

  it('is gone after its time, which is an entry and no alarm', async () => {
    const wrapped = await shared().wire.expect(200, 'POST', 'sys/wrapping/wrap', { n: 1 }, { wrapTtl: '1s' });
    const { token, accessor } = wrapped.wrap_info;
    // The server's clock decides: it is asked for until the moment is past.
    while ((await shared().wire.call('POST', 'sys/wrapping/lookup', { token })).status === 200);
    for (let i = 0; i < 2; i++) assert.equal((await take(token)).status, 404);
    assert.deepEqual(await shared().alarmsAbout(accessor), []);
    assert.equal((await actions(accessor)).at(-1), 'delivery.refused');
  });

  it('whose time was changed past the ledger is not given, and found out', async () => {
    const { secretId, id, token } = await deliver();
    await using raw = await openRaw(shared().place);
    for (const [change, status] of [
      ['+ 20000', 409],
      ['- 20000', 200],
    ] as const) {
      await raw.run(`update deliveries set expires_at = expires_at ${change} where id = '${id}'`);
      assert.equal((await take(token)).status, status);
      assert.deepEqual(await shared().alarmsAbout(id), ['ROW_TAMPERED']);
    }
    assert.deepEqual((await shared().actionsOn(secretId)).slice(-2), ['secret.delivered', 'delivery.taken']);
  });

  it('that was taken is not there again when its row is put back as it was', async () => {
    const { id, token } = await deliver();
    await using raw = await openRaw(shared().place);
    const [{ envelope }] = await raw.rows(`select envelope from deliveries where id = '${id}'`);
    assert.equal((await take(token)).status, 200);
    await raw.run(`update deliveries set envelope = '${envelope}', taken_at = null where id = '${id}'`);
    const { status, body } = await take(token);
    assert.deepEqual([status, body.code], [409, 'ROW_TAMPERED']);
  });

  it('waits for nobody who has no token of its kind', async () => {
    const { token } = await deliver();
    for (const other of [undefined, 'x', token.slice(0, -1), `${token}x`, shared().installation.bootstrapToken]) {
      const { status } = await take(other);
      assert.equal(status, other === undefined ? 401 : 404);
    }
    const { status } = await shared().installation.call('GET', '/v1/projects', undefined, { token });
    assert.equal(status, 401, 'and its token opens nothing else');
    assert.equal((await take(token)).status, 200);
  });

  it('is opened by a page that takes nothing until its button is pressed, and runs no script but its own', async () => {
    const { token } = await deliver();
    const response = await fetch(new URL('/once', shared().installation.controlUrl));
    const page = await response.text();
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    for (const directive of [
      "default-src 'none'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "form-action 'none'",
    ]) {
      assert.ok(policy.split('; ').includes(directive), directive);
    }
    for (const tag of ['script', 'style']) {
      const parts = [...page.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))];
      assert.equal(parts.length, 1);
      const digest = createHash('sha256')
        .update(parts[0]?.[1] ?? '')
        .digest('base64');
      assert.ok(policy.includes(`${tag}-src 'sha256-${digest}'`), tag);
    }
    assert.doesNotMatch(
      page,
      /<(?:script|link|img|iframe)\s|\son\w+=|style="/i,
      'nothing that the policy would refuse',
    );
    assert.match(page, /addEventListener\('click'/);
    await fetch(new URL(`/once#${token}`, shared().installation.controlUrl));
    assert.equal((await take(token)).status, 200, 'looking took nothing');
  });
});

describe('what is delivered', () => {
  it('and its token are in no line of the log, however much is logged', async () => {
    await using place = await createOwnPlace('sqlite');
    const options = controlProcess(place, await freePort());
    const env = { ...options.env, KEYHOLD_LOG_LEVEL: 'trace' };
    await using server = await startProcess({ ...options, env });
    const token = readFileSync(join(place.folder, 'bootstrap-token'), 'utf8').trim();
    const call = (path: string, body: object | undefined, by = token) =>
      send(new URL(path, server.url), 'POST', body, { token: by });
    const apiSecret = randomBytes(24).toString('hex');
    const stored = { project: 'default', environment: 'production', path: 'logged', data: { apiSecret } };
    const { secret } = assertStatus(await call('/v1/secrets', stored), 201);
    const deliver = () => call(`/v1/secrets/${secret.id}/deliver`, { deliverTo: { once: { ttlSeconds: 60 } } });
    const once = assertStatus(await deliver(), 201).delivery.token as string;
    assert.equal(assertStatus(await call('/v1/deliveries/take', undefined, once), 200).content.apiSecret, apiSecret);
    assertStatus(await call('/v1/deliveries/take', undefined, once), 404);
    await server.stop();
    assert.match(server.output(), /DELIVERY_TAKEN_TWICE/, 'the log was not captured');
    for (const leaked of [apiSecret, once, token]) assert.ok(!server.output().includes(leaked));
  });
});
