import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import type { LogExport } from '@keyhold/protocol/operations/audit';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { linesOf, startHook } from '../testing/export-hook.ts';
import { closeSeal } from '../testing/seals.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('an export of the log', (createPlace) => {
  const shared = shareMarket(createPlace);
  const call = (method: string, path: string, body?: object) => shared().installation.call(method, path, body);
  const create = (body: object): Promise<LogExport> => shared().expect(201, 'POST', '/v1/audit/exports', body);
  const find = async (id: string): Promise<LogExport> =>
    (await shared().expect(200, 'GET', '/v1/audit/exports')).items.find((item: LogExport) => item.id === id);
  const remove = (id: string) => shared().expect(200, 'DELETE', `/v1/audit/exports/${id}`);
  const caughtUp = (id: string) => eventually('it has caught up', async () => (await find(id)).lag === 0);

  it('sends every entry from the first on, in order and signed, and none is missing', async () => {
    await using hook = await startHook();
    const { id } = await create({ name: 'all', kind: 'webhook', url: hook.url, from: 1 });
    await shared().market.issue();
    await caughtUp(id);
    const { publicKey } = await shared().expect(200, 'GET', '/v1/audit/exports');
    const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    for (const { headers, body } of hook.received) {
      const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
      const signature = Buffer.from(String(headers['webhook-signature']).replace('v1a,', ''), 'base64');
      assert.ok(verify(null, signed, key, signature));
      assert.ok(!verify(null, Buffer.concat([signed, Buffer.from(' ')]), key, signature));
    }
    const sequences = hook.entries().map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      sequences.map((_, i) => i + 1),
    );
    assert.ok(
      hook.entries().every(({ side }) => side === null),
      'personal parts stay here unless asked for',
    );
    await remove(id);
  });

  it('goes on where it stopped when the target was down, without a gap', async () => {
    let port = 0;
    let seen: number[] = [];
    const made = await (async () => {
      await using hook = await startHook();
      const created = await create({ name: 'down', kind: 'webhook', url: hook.url, personal: true });
      await shared().market.issue();
      await caughtUp(created.id);
      seen = hook.entries().map(({ sequence }) => sequence);
      assert.ok(hook.entries().some(({ side }) => side !== null));
      port = hook.port;
      return created;
    })();
    for (let i = 0; i < 3; i++) await shared().market.issue();
    await eventually('it says that it is behind, and why', async () => {
      const { lag, failures, lastError } = await find(made.id);
      return lag > 0 && failures > 0 && lastError === 'ECONNREFUSED';
    });
    await using again = await startHook(port);
    again.state.status = 500;
    await eventually(
      'a target that refuses has nothing',
      async () => (await find(made.id)).lastError === 'it answered 500',
    );
    again.state.status = 302;
    await eventually('nor one that says to go elsewhere', async () => again.received.length >= 2);
    again.state.status = 200;
    await caughtUp(made.id);
    const first = (seen[0] as number) - 1;
    const all = [...new Set([...seen, ...again.entries().map(({ sequence }) => sequence)])];
    assert.deepEqual(
      all,
      all.map((_, i) => first + i + 1),
    );
    await remove(made.id);
  });

  it('goes into a file, which has every line once it says so', async () => {
    const { id } = await create({ name: 'to-file', kind: 'file', from: 1 });
    await shared().market.issue();
    await caughtUp(id);
    const text = readFileSync(join(shared().place.folder, 'exports', 'to-file.jsonl'), 'utf8');
    const sequences = linesOf(text).map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      sequences.map((_, i) => i + 1),
    );
    await remove(id);
    const again = await call('POST', '/v1/audit/exports', { name: 'to-file', kind: 'file' });
    assert.deepEqual([again.body.code, again.body.field], ['EXPORT_EXISTS', '/name'], 'nor is anything added later');
  });

  it('waits with a webhook while sealed, since it signs nothing then', async () => {
    await using hook = await startHook();
    const { id } = await create({ name: 'sealed', kind: 'webhook', url: hook.url });
    const { keyId } = await shared().market.issue();
    await caughtUp(id);
    await closeSeal(shared().installation);
    await shared().expect(200, 'POST', `/v1/keys/${keyId}/suspend`);
    await eventually('it says why', async () => /sealed/.test((await find(id)).lastError ?? ''));
    await shared().expect(200, 'POST', '/v1/unseal', {});
    await caughtUp(id);
    assert.ok(hook.entries().some(({ action }) => action === 'key.suspended'));
    await remove(id);
  });

  it('waits with personal parts that are sealed, says which, and sends them once they can be read', async () => {
    const { id } = await create({ name: 'sealed-parts', kind: 'file', personal: true });
    const { keyId } = await shared().market.issue();
    await caughtUp(id);
    await closeSeal(shared().installation);
    await shared().expect(200, 'POST', `/v1/keys/${keyId}/suspend`);
    const waiting = await eventually('it says why', async () => {
      const found = await find(id);
      return found.failures > 0 && found;
    });
    assert.match(
      waiting.lastError ?? '',
      /^the personal part of entry \d+ can't be read while the installation is sealed$/,
    );
    assert.ok(waiting.lag > 0);
    await shared().expect(200, 'POST', '/v1/unseal', {});
    await caughtUp(id);
    const text = readFileSync(join(shared().place.folder, 'exports', 'sealed-parts.jsonl'), 'utf8');
    const entry = linesOf(text).find(({ action, subject }) => action === 'key.suspended' && subject === keyId);
    assert.deepEqual(entry?.side, { ip: '127.0.0.1' });
    await remove(id);
  });

  it('is refused where entries would leave in the clear, carry a password, or have no name of their own', async () => {
    for (const url of ['http://example.org/', 'https://a:b@example.org/', 'file:///etc/passwd', 'nothing', undefined]) {
      const { status, body } = await call('POST', '/v1/audit/exports', { name: 'bad', kind: 'webhook', url });
      assert.deepEqual([status, body.code, body.field], [400, 'INVALID_INPUT', '/url'], url);
    }
    const { id } = await create({ name: 'taken', kind: 'file' });
    assert.equal((await call('POST', '/v1/audit/exports', { name: 'taken', kind: 'file' })).body.code, 'EXPORT_EXISTS');
    await remove(id);
    assert.equal((await call('DELETE', `/v1/audit/exports/${id}`)).body.code, 'EXPORT_NOT_FOUND');
    assert.equal((await call('POST', '/v1/audit/exports', { name: '../x', kind: 'file' })).status, 400);
  });
});
