import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { shareVault } from '../testing/shared-vault.ts';

const NOT_THERE = { errors: [] };

onEachDatabase("Vault's KV version 2", (createPlace) => {
  const shared = shareVault(createPlace);
  const write = (path: string, data: object, options?: object) =>
    shared().wire.expect(200, 'POST', `secret/data/${path}`, { data, ...(options === undefined ? {} : { options }) });
  const read = (path: string) => shared().wire.expect(200, 'GET', `secret/data/${path}`);
  /** Id of the secret at a path of the default environment. */
  const idOf = async (path: string) => {
    const { items } = await shared().expect(
      200,
      'GET',
      `/v1/secrets?project=default&environment=production&prefix=${path}`,
    );
    return items[0].id as string;
  };

  it('answers a write with the metadata of the version, and a read with data and metadata', async () => {
    const written = await write('a/one', { user: 'u', nested: { list: [1, null, true], text: 'ü€😀' } });
    const { created_time, ...metadata } = written.data;
    assert.deepEqual(metadata, { deletion_time: '', destroyed: false, version: 1, custom_metadata: null });
    assert.ok(Math.abs(Date.parse(created_time) - Date.now()) < 10_000);
    const { request_id, ...answer } = await read('a/one');
    assert.match(request_id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(answer, {
      ...{ lease_id: '', renewable: false, lease_duration: 0, wrap_info: null, warnings: null, auth: null },
      data: {
        data: { user: 'u', nested: { list: [1, null, true], text: 'ü€😀' } },
        metadata: { created_time, ...metadata },
      },
    });
    const { headers } = await shared().wire.call('GET', 'secret/data/a/one');
    assert.equal(headers.get('cache-control'), 'no-store');
  });

  it('answers PUT as POST, and the version that is asked for', async () => {
    for (const n of [1, 2, 3]) {
      await shared().wire.expect(200, n === 2 ? 'PUT' : 'POST', 'secret/data/a/versions', { data: { n } });
    }
    for (const [query, n] of [...[1, 2, 3].map((v) => [`?version=${v}`, v]), ['?version=0', 3], ['', 3]] as const) {
      assert.equal((await read(`a/versions${query}`)).data.data.n, n);
    }
    for (const version of ['4', '9999999999']) {
      assert.deepEqual(await shared().wire.expect(404, 'GET', `secret/data/a/versions?version=${version}`), NOT_THERE);
    }
    await shared().wire.expect(400, 'GET', 'secret/data/a/versions?version=x');
  });

  it('answers what is not there with 404 and no errors', async () => {
    for (const path of [
      'secret/data/none',
      'secret/metadata/none',
      'secret/data/none/',
      'other/data/a',
      'secret/data/',
    ]) {
      assert.deepEqual(await shared().wire.expect(404, 'GET', path), NOT_THERE, path);
    }
    assert.deepEqual(await shared().wire.expect(404, 'LIST', 'secret/metadata/none/'), NOT_THERE);
  });

  it('takes check-and-set: only on the version named, 0 for none, and requires it where that is set', async () => {
    await write('cas/a', { n: 1 }, { cas: 0 });
    const stale = { data: { n: 2 }, options: { cas: 0 } };
    assert.deepEqual(await shared().wire.expect(400, 'POST', 'secret/data/cas/a', stale), {
      errors: ['check-and-set parameter did not match the current version'],
    });
    await shared().wire.expect(400, 'POST', 'secret/data/cas/a', { data: {}, options: { cas: -1 } });
    await write('cas/a', { n: 2 }, { cas: 1 });
    await shared().wire.expect(400, 'POST', 'secret/data/cas/a', { data: {}, options: { cas: 'one' } });
    // Passed over, the write would go through.
    for (const options of ['cas=7', ['cas', 7], 7, true]) {
      for (const method of ['POST', 'PATCH'])
        await shared().wire.expect(400, method, 'secret/data/cas/a', { data: {}, options });
    }
    await shared().wire.expect(200, 'POST', 'secret/data/cas/none', { data: {}, options: null });
    await shared().wire.expect(204, 'POST', 'secret/metadata/cas/a', { cas_required: true });
    for (const method of ['POST', 'PATCH']) {
      assert.deepEqual(await shared().wire.expect(400, method, 'secret/data/cas/a', { data: { n: 3 } }), {
        errors: ['check-and-set parameter required for this call'],
      });
    }
    await write('cas/a', { n: 3 }, { cas: '2' });
    assert.equal((await read('cas/a')).data.data.n, 3);
    const patch = { data: { more: 1 }, options: { cas: 3 } };
    assert.equal((await shared().wire.expect(200, 'PATCH', 'secret/data/cas/a', patch)).data.version, 4);
  });

  it('lets exactly one of many writers on the same version through', async () => {
    const tries = Array.from({ length: 50 }, (_, n) =>
      shared().wire.call('POST', 'secret/data/cas/race', { data: { n }, options: { cas: 0 } }),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, ...Array<number>(49).fill(400)]);
  });

  it('merges a patch into the newest version (RFC 7396)', async () => {
    await write('patch/a', { keep: 1, gone: 2, deep: { a: 1, b: 2 } });
    const headers = { 'content-type': 'application/merge-patch+json' };
    const patch = { data: { gone: null, deep: { b: 3 }, more: [1] } };
    const answer = await shared().wire.expect(200, 'PATCH', 'secret/data/patch/a', patch, { headers });
    assert.equal(answer.data.version, 2);
    assert.deepEqual((await read('patch/a')).data.data, { keep: 1, deep: { a: 1, b: 3 }, more: [1] });
    await shared().wire.expect(400, 'PATCH', 'secret/data/patch/a', { data: { keep: 2 }, options: { cas: 1 } });
    assert.deepEqual(await shared().wire.expect(404, 'PATCH', 'secret/data/patch/none', patch), NOT_THERE);
  });

  it('loses no write that came between what a patch read and what it stores, whichever version the patch names', async () => {
    await write('patch/race', { mine: 0, patched: 0 });
    for (let version = 1, round = 1; round <= 8; round++) {
      const patch = { data: { patched: round }, options: { cas: version + 1 } };
      const [written, patched] = await Promise.all([
        shared().wire.call('POST', 'secret/data/patch/race', { data: { mine: round, patched: 0 } }),
        shared().wire.call('PATCH', 'secret/data/patch/race', patch),
      ]);
      assert.equal(written.status, 200);
      const { data, metadata } = (await read('patch/race')).data;
      assert.deepEqual(data, { mine: round, patched: patched.status === 200 ? round : 0 }, `round ${round}`);
      ({ version } = metadata);
    }
  });

  it('deletes so that it can be undeleted, and destroys for good', async () => {
    for (const n of [1, 2, 3]) await write('gone/a', { n });
    await shared().wire.expect(204, 'DELETE', 'secret/data/gone/a');
    const deleted = await shared().wire.expect(404, 'GET', 'secret/data/gone/a');
    assert.equal(deleted.data.data, null);
    assert.notEqual(deleted.data.metadata.deletion_time, '');
    assert.deepEqual([deleted.data.metadata.version, deleted.data.metadata.destroyed], [3, false]);
    await shared().wire.expect(204, 'POST', 'secret/delete/gone/a', { versions: [1, '2', 77] });
    await shared().wire.expect(404, 'GET', 'secret/data/gone/a?version=1');
    await shared().wire.expect(204, 'PUT', 'secret/undelete/gone/a', { versions: [1, 3] });
    assert.equal((await read('gone/a?version=1')).data.data.n, 1);
    assert.equal((await read('gone/a')).data.data.n, 3);
    await shared().wire.expect(204, 'PUT', 'secret/destroy/gone/a', { versions: [1] });
    await shared().wire.expect(204, 'PUT', 'secret/undelete/gone/a', { versions: [1] });
    const destroyed = await shared().wire.expect(404, 'GET', 'secret/data/gone/a?version=1');
    assert.equal(destroyed.data.metadata.destroyed, true);
    const { versions } = (await shared().wire.expect(200, 'GET', 'secret/metadata/gone/a')).data;
    assert.deepEqual(
      Object.values(versions as { destroyed: boolean }[]).map((version) => version.destroyed),
      [true, false, false],
    );
    await shared().wire.expect(204, 'DELETE', 'secret/data/none');
  });

  it('refuses lists of versions that are none, and takes one of any length', async () => {
    for (const versions of [undefined, [], [0], [-1], [1.5], ['x'], [true], [[1]], [null], 'all', { 0: 1 }]) {
      await shared().wire.expect(400, 'POST', 'secret/destroy/gone/a', { versions });
    }
    const many = Array.from({ length: 100_000 }, (_, i) => i + 1_000);
    await shared().wire.expect(204, 'POST', 'secret/destroy/gone/a', { versions: many });
    assert.equal((await read('gone/a')).data.data.n, 3, 'no version was destroyed that was not named');
  });

  it('refuses a number that would come back as another one, and keeps those that are only spelt otherwise', async () => {
    const send = async (method: string, body: string) => {
      const headers = { 'x-vault-token': shared().installation.bootstrapToken };
      const answer = await fetch(new URL('/v1/secret/data/numbers', shared().installation.vaultUrl), {
        ...{ method, headers, body },
      });
      return { status: answer.status, errors: ((await answer.json()) as { errors?: string[] }).errors };
    };
    for (const method of ['POST', 'PUT', 'PATCH']) {
      assert.equal((await send('POST', '{"data":{"n":[1,1.50,1e3,12345678901234567000]}}')).status, 200);
      const { status, errors } = await send(method, '{"data":{"deep":{"wei":12345678901234567890}}}');
      assert.equal(status, 400);
      assert.deepEqual(errors, ['The number at /data/deep/wei would come back as another one: write it as text.']);
      assert.deepEqual((await read('numbers')).data.data, { n: [1, 1.5, 1000, 12345678901234567000] });
    }
  });

  it('lists what is right below a folder, whatever its name is made of', async () => {
    for (const path of ['x', 'x/y', 'x/y/z', 'x/w', 'x%/q', '😀/a', '😀/b/c']) {
      await write(encodeURI(`list/${path}`), { a: 1 });
    }
    const keysIn = async (folder: string) =>
      (await shared().wire.expect(200, 'LIST', `secret/metadata/${encodeURI(folder)}`)).data.keys;
    assert.deepEqual(await keysIn('list'), ['x', 'x%/', 'x/', '😀/']);
    assert.deepEqual(await keysIn('list/x/'), ['w', 'y', 'y/']);
    assert.deepEqual(await keysIn('list/😀'), ['a', 'b/']);
    const asGet = await shared().wire.expect(200, 'GET', 'secret/metadata/list/x?list=true');
    assert.deepEqual(asGet.data.keys, ['w', 'y', 'y/']);
    for (const root of ['', '/']) {
      const { data } = await shared().wire.expect(200, 'LIST', `secret/metadata${root}`);
      assert.ok(data.keys.includes('list/'));
    }
  });

  it('keeps metadata: custom, bounds of versions, and what a patch changes', async () => {
    for (const n of [1, 2, 3]) await write('meta/a', { n });
    const settings = { max_versions: 2, custom_metadata: { owner: 'ops', tier: '1' } };
    await shared().wire.expect(204, 'POST', 'secret/metadata/meta/a', settings);
    await shared().wire.expect(204, 'PATCH', 'secret/metadata/meta/a', { custom_metadata: { tier: null, more: 'x' } });
    const { data } = await shared().wire.expect(200, 'GET', 'secret/metadata/meta/a');
    assert.deepEqual(data.custom_metadata, { owner: 'ops', more: 'x' });
    assert.deepEqual([data.current_version, data.max_versions, data.cas_required], [3, 2, false]);
    await write('meta/a', { n: 4 });
    await shared().wire.expect(404, 'GET', 'secret/data/meta/a?version=2');
    const { oldest_version } = (await shared().wire.expect(200, 'GET', 'secret/metadata/meta/a')).data;
    assert.equal(oldest_version, 3, 'the oldest that still can be read');
    assert.equal((await read('meta/a?version=3')).data.data.n, 3);
    for (const bad of [
      { max_versions: -1 },
      { max_versions: 'x' },
      { custom_metadata: { a: 1 } },
      { custom_metadata: 'x' },
    ]) {
      await shared().wire.expect(400, 'POST', 'secret/metadata/meta/a', bad);
    }
    const absent = await shared().wire.expect(404, 'PATCH', 'secret/metadata/meta/new', { max_versions: 3 });
    assert.deepEqual(absent, NOT_THERE);
    await shared().wire.expect(404, 'GET', 'secret/metadata/meta/new');
    await shared().wire.expect(204, 'POST', 'secret/metadata/meta/new', { max_versions: 3 });
    assert.equal((await shared().wire.expect(200, 'GET', 'secret/metadata/meta/new')).data.current_version, 0);
    const id = await idOf('meta/a');
    await shared().wire.expect(204, 'DELETE', 'secret/metadata/meta/a');
    assert.deepEqual(await shared().wire.expect(404, 'GET', 'secret/data/meta/a'), NOT_THERE);
    assert.equal((await shared().actionsOn(id)).at(-1), 'secret.removed');
  });

  it('leaves to others what it does not name: what they write at the same time is not lost', async () => {
    for (let round = 0; round < 8; round++) {
      const path = `meta/beside-${round}`;
      await write(path, { n: 1 });
      const id = await idOf(path);
      const metadata = { provider: 'binance', rotateBy: '2030-01-01T00:00:00.000Z' };
      const own = round % 2 === 0 ? { max_versions: 5 } : { custom_metadata: { tier: '1' } };
      const [, answer] = await Promise.all([
        shared().expect(200, 'PATCH', `/v1/secrets/${id}`, { metadata }),
        shared().wire.call(round % 4 < 2 ? 'POST' : 'PATCH', `secret/metadata/${path}`, own),
      ]);
      assert.equal(answer.status, 204);
      const { metadata: kept } = await shared().expect(200, 'GET', `/v1/secrets/${id}`);
      assert.deepEqual({ provider: kept.provider, rotateBy: kept.rotateBy }, metadata, `round ${round}`);
    }
  });

  it('keeps settings of the whole mount, which hold for each secret', async () => {
    const config = { max_versions: 2, cas_required: false, delete_version_after: '1h30m' };
    await shared().wire.expect(204, 'POST', 'secret/config', config, { namespace: 'market/test' });
    const { data } = await shared().wire.expect(200, 'GET', 'secret/config', undefined, { namespace: 'market/test' });
    assert.deepEqual(data, { cas_required: false, delete_version_after: '1h30m0s', max_versions: 2 });
    const written = await shared().wire.expect(
      200,
      'POST',
      'secret/data/a',
      { data: {} },
      { namespace: 'market/test' },
    );
    const { created_time, deletion_time } = written.data;
    assert.equal(Date.parse(deletion_time) - Date.parse(created_time), 90 * 60_000);
    assert.equal((await shared().wire.expect(200, 'GET', 'secret/config')).data.max_versions, 0);
    await shared().wire.expect(400, 'POST', 'secret/config', { delete_version_after: 'soon' });
  });

  it('takes a truth however Vault has it written, and refuses what is none instead of taking it for no', async () => {
    const required = async (path: string) => (await shared().wire.expect(200, 'GET', path)).data.cas_required;
    await write('truths/a', { n: 1 });
    for (const path of ['secret/config', 'secret/metadata/truths/a']) {
      for (const [cas_required, is] of Object.entries({ 1: true, False: false, T: true, 0: false, true: true })) {
        await shared().wire.expect(204, 'POST', path, { cas_required });
        assert.equal(await required(path), is, cas_required);
      }
      for (const cas_required of ['nonsense', null, 2, {}]) {
        await shared().wire.expect(400, 'POST', path, { cas_required });
        assert.equal(await required(path), true);
      }
      await shared().wire.expect(204, 'POST', path, { cas_required: 'f' });
    }
  });

  it('holds the same secrets as /v1, and each reveal, write and destruction is an entry', async () => {
    await write('same/a', { n: 1 });
    const id = await idOf('same/a');
    const revealed = await shared().expect(200, 'POST', `/v1/secrets/${id}/reveal`, {});
    assert.deepEqual(revealed.data, { n: 1 });
    const stored = { project: 'default', environment: 'production', path: 'same/a', data: { n: 2 } };
    await shared().expect(201, 'POST', '/v1/secrets', stored);
    assert.equal((await read('same/a')).data.data.n, 2);
    const headers = { 'x-vault-token': shared().installation.bootstrapToken };
    const named = await fetch(new URL('/v1/secret/data/same/a?version=1', shared().installation.vaultUrl), { headers });
    const newest = await shared().expect(200, 'GET', '/v1/audit/entries?action=secret.revealed&limit=1');
    assert.equal(named.headers.get('keyhold-entry'), String(newest.items[0].sequence));
    assert.match(named.headers.get('link') ?? '', /\/receipt>; rel="receipt"/);
    await shared().wire.expect(204, 'POST', 'secret/destroy/same/a', { versions: [1] });
    await shared().wire.expect(404, 'GET', 'secret/data/same/a?version=1');
    assert.deepEqual(await shared().actionsOn(id), [
      ...['secret.stored', 'secret.revealed', 'secret.stored', 'secret.revealed', 'secret.revealed'],
      'secret.destroyed',
    ]);
  });

  it('reaches a path of any length that a secret can have', async () => {
    const path = `long/${'p'.repeat(507)}`;
    await write(path, { n: 1 });
    assert.equal((await read(path)).data.data.n, 1);
    await shared().wire.expect(400, 'POST', `secret/data/${path}p`, { data: {} });
  });

  it('takes a secret of 1 MiB and refuses a larger one by name', async () => {
    const text = (bytes: number) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });
    await write('large', text(1024 * 1024));
    const { errors } = await shared().wire.expect(413, 'POST', 'secret/data/large', { data: text(1024 * 1024 + 1) });
    assert.match(errors[0], /1048577 bytes; 1048576 is the most/);
    assert.equal((await read('large')).data.data.a.length, 1024 * 1024 - 8);
  });
});
