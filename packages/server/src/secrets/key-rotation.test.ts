import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { openRaw } from '../testing/raw-database.ts';

const PLACE = { project: 'default', environment: 'production' };
const QUERY = 'project=default&environment=production';

type Calls = Pick<TestInstallation, 'call'>;

async function store({ call }: Calls, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const { status, body } = await call('POST', '/v1/secrets', { ...PLACE, path: `p/${i}`, data: { value: i } });
    assert.equal(status, 201);
    ids.push(body.secret.id);
  }
  return ids;
}

async function assertReadable({ call }: Calls, ids: readonly string[]): Promise<void> {
  for (const [i, id] of ids.entries()) {
    const { status, body } = await call('POST', `/v1/secrets/${id}/reveal`, {});
    assert.equal(status, 200, `secret ${i}: ${JSON.stringify(body)}`);
    assert.deepEqual(body.data, { value: i });
  }
}

async function keysOf({ call }: Calls) {
  const { status, body } = await call('GET', `/v1/vault/keys?${QUERY}`);
  assert.equal(status, 200);
  return body as { rootVersion: number; pending: number; keys: Record<string, unknown>[] };
}

const settled = (installation: Calls) =>
  eventually('it is settled', async () => {
    const rotation = await keysOf(installation);
    const roots = new Set(rotation.keys.map(({ rootVersion }) => rootVersion));
    return rotation.pending === 0 && roots.size === 1 && roots.has(rotation.rootVersion);
  });

onEachDatabase('rotation of keys', (createPlace: () => Promise<TestPlace>) => {
  it('makes new versions encrypt at once, and re-wraps what is old while serving', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const ids = await store(installation, 95);
    const rotated = await installation.call('POST', '/v1/vault/keys/rotate', PLACE);
    assert.equal(rotated.status, 200);
    const [more] = await store(
      { call: (method, path, body) => installation.call(method, path, { ...(body as object), path: 'q' }) },
      1,
    );
    await settled(installation);
    const { keys } = await keysOf(installation);
    assert.deepEqual(
      // The keys of the log and of personal parts lie in this environment too, and were rotated with it.
      keys
        .filter(({ purpose }) => purpose === 'secrets')
        .map(({ version, newest, rows }) => ({ version, newest, rows })),
      [
        { version: 1, newest: false, rows: 0 },
        { version: 2, newest: true, rows: 96 },
      ],
    );
    await assertReadable(installation, ids);
    assert.equal((await installation.call('POST', `/v1/secrets/${more}/reveal`, {})).status, 200);
    const { body } = await installation.call('GET', '/v1/audit/entries?action=vault-key.rewrapped');
    assert.ok(body.items.length >= 3, 'each batch is an entry');
  });

  it('states once, in an entry, of each version that was replaced that no row lies under it any more', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    await store(installation, 3);
    const statements = async (): Promise<string[]> => {
      const { body } = await installation.call('GET', '/v1/audit/entries?action=vault-key.retired&limit=200');
      return body.items.map(({ leaf }: { leaf: string }) => {
        const { subject, code } = JSON.parse(leaf);
        return `${subject} ${code}`;
      });
    };
    const replaced = async () => {
      const old = (await keysOf(installation)).keys.filter(({ newest }) => newest === false);
      assert.ok(old.every(({ rows }) => rows === 0));
      return old.map(({ id, version }) => `${id} version-${version}.rows-0`).sort();
    };
    assert.deepEqual(await statements(), []);
    for (const times of [1, 2]) {
      assert.equal((await installation.call('POST', '/v1/vault/keys/rotate', PLACE)).status, 200);
      await settled(installation);
      const expected = await replaced();
      assert.equal(
        expected.length,
        times * new Set((await keysOf(installation)).keys.map(({ purpose }) => purpose)).size,
      );
      await eventually('it is stated', async () => (await statements()).length >= expected.length);
      assert.deepEqual((await statements()).sort(), expected);
    }
  });

  it('moves every key under a new root key, then forgets the old one; also after sealing and opening', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const ids = await store(installation, 3);
    for (const version of [2, 3]) {
      const rotated = await installation.call('POST', '/v1/vault/root/rotate');
      assert.deepEqual([rotated.status, rotated.body.rootVersion], [200, version]);
      await settled(installation);
      await eventually('it is settled', async () => {
        const { body } = await installation.call('GET', '/v1/audit/entries?action=root-key.retired');
        return body.items.length === version - 1;
      });
      await installation.call('POST', '/v1/seal');
      assert.equal((await installation.call('POST', '/v1/vault/root/rotate')).body.code, 'SEALED');
      assert.equal((await installation.call('POST', '/v1/unseal', {})).status, 200);
      await assertReadable(installation, ids);
    }
  });

  it('is not called done while a key still lies under the old root key', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    await store(installation, 1);
    const { keys } = await keysOf(installation);
    const left = String(keys.find(({ purpose }) => purpose === 'secrets')?.id);
    // One that somebody wrote past the ledger is left alone.
    await using raw = await openRaw(place);
    await raw.run(`update vault_keys set created_at = 1 where id = '${left}'`);
    const rotated = await installation.call('POST', '/v1/vault/root/rotate');
    assert.ok(rotated.status === 200 && rotated.body.pending > 0);
    const rootPending = async () => (await installation.call('GET', '/v1/seal')).body.rootPending;
    assert.ok((await rootPending()) > 0);
    await eventually('every other key has moved', async () => (await rootPending()) === 1);
    const rotation = await keysOf(installation);
    assert.equal(rotation.pending, 1);
    assert.deepEqual(
      rotation.keys.filter(({ rootVersion }) => rootVersion !== rotation.rootVersion).map(({ id }) => id),
      [left],
    );
  });

  it('changes the seal in the middle of a rotation of the root key', async () => {
    await using place = await createPlace();
    await using installation = await startInstallation(place);
    const ids = await store(installation, 2);
    const passphrase = randomBytes(16).toString('hex');
    const [rotated, changed] = await Promise.all([
      installation.call('POST', '/v1/vault/root/rotate'),
      installation.call('POST', '/v1/seal/change', { kind: 'passphrase', passphrase }),
    ]);
    assert.ok(rotated.status === 200 || changed.status === 200, 'one of them wins, or both');
    for (const { status, body } of [rotated, changed]) assert.ok(status === 200 || body.code === 'ATTEMPT_OVER');
    await settled(installation);
    await installation.call('POST', '/v1/seal');
    assert.equal(
      (await installation.call('POST', '/v1/unseal', changed.status === 200 ? { passphrase } : {})).status,
      200,
    );
    await assertReadable(installation, ids);
  });
});
