import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { MAX_SECRET_BYTES } from '@keyhold/protocol/operations/secrets';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('a secret', (createPlace) => {
  const shared = shareMarket(createPlace);
  let count = 0;
  const newPath = () => `path/${++count}`;
  const post = (status: number, path: string, body: object, headers: Record<string, string> = {}) =>
    shared().expect(status, 'POST', path, body, { token: shared().installation.bootstrapToken, headers });
  const store = (path: string, data: object, settings: object = {}, status = 201) =>
    post(status, '/v1/secrets', { project: 'market', environment: 'test', path, data, ...settings });
  const reveal = (id: string, version?: number, status = 200) => post(status, `/v1/secrets/${id}/reveal`, { version });
  const statesOf = async (id: string): Promise<string[]> => {
    const { items } = await shared().expect(200, 'GET', `/v1/secrets/${id}/versions?limit=200`);
    return items.map(({ version, state }: { version: number; state: string }) => `${version} ${state}`);
  };
  const envelopes = async (id: string): Promise<(string | null)[]> => {
    await using raw = await openRaw(shared().place);
    const rows = await raw.rows(`select envelope from secret_versions where secret_id = '${id}' order by version`);
    return rows.map(({ envelope }) => envelope);
  };
  const newest = async () => {
    const { items } = await shared().expect(200, 'GET', '/v1/audit/entries?order=desc&limit=1');
    return items[0];
  };

  it('keeps each version as it was stored, any JSON, and reveals the newest or the one asked for', async () => {
    const path = newPath();
    const values = [
      { apiKey: randomUUID(), nested: { a: [1, null, true, 1.5e-7, 'ü\u{1f511}', {}] } },
      {},
      { '': 'empty name', 'a\nb': '\u2028', list: [[]] },
    ];
    let id = '';
    for (const [i, data] of values.entries()) {
      const { secret, version } = await store(path, data);
      assert.deepEqual([secret.version, version.version, version.state], [i + 1, i + 1, 'live']);
      id = secret.id;
    }
    for (const [i, data] of values.entries()) assert.deepEqual((await reveal(id, i + 1)).data, data);
    assert.deepEqual((await reveal(id)).data, values.at(-1));
    assert.equal((await reveal(id, 4, 404)).code, 'SECRET_VERSION_GONE');
  });

  it('is refused where a number in it would come back as another one', async () => {
    const path = newPath();
    const url = new URL('/v1/secrets', shared().installation.controlUrl);
    const authorization = `Bearer ${shared().installation.bootstrapToken}`;
    const send = async (data: string) => {
      const body = `{"project":"market","environment":"test","path":"${path}","data":${data}}`;
      const answer = await fetch(url, {
        ...{ method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body },
      });
      return [answer.status, ((await answer.json()) as { field?: string }).field];
    };
    assert.deepEqual(await send('{"chatId":-1001234567890123456789}'), [400, '/data/chatId']);
    assert.deepEqual(await send('{"list":[1,{"id":1152921504606846977}]}'), [400, '/data/list/1/id']);
    assert.deepEqual(await send('{"id":1.5e3}'), [201, undefined]);
  });

  it('is revealed with no-store, after an entry that names who, what and which version', async () => {
    const { secret } = await store(newPath(), { a: 1 });
    const { installation } = shared();
    const { headers } = await installation.call('POST', `/v1/secrets/${secret.id}/reveal`, {});
    assert.equal(headers.get('cache-control'), 'no-store');
    const entry = await newest();
    assert.deepEqual([entry.action, entry.subject], ['secret.revealed', secret.id]);
    const { code, actor, environment } = JSON.parse(entry.leaf);
    assert.deepEqual([code, environment], ['version-1', shared().market.environmentId]);
    assert.match(actor, /^tok_/);
  });

  it('shows its data in no other answer', async () => {
    const value = randomUUID();
    const path = newPath();
    const stored = await store(path, { value });
    const { id } = stored.secret;
    const answers = [
      stored,
      await shared().expect(200, 'GET', `/v1/secrets/${id}`),
      await shared().expect(200, 'GET', `/v1/secrets/${id}/versions`),
      await shared().expect(200, 'GET', `/v1/secrets?project=market&environment=test&prefix=${path}`),
      await shared().expect(200, 'PATCH', `/v1/secrets/${id}`, { metadata: { provider: 'Venue' } }),
      await post(200, `/v1/secrets/${id}/delete`, { versions: [1] }),
      await shared().expect(200, 'DELETE', `/v1/secrets/${id}`),
    ];
    for (const answer of answers) assert.ok(!JSON.stringify(answer).includes(value), JSON.stringify(answer));
  });

  it('has metadata as it was given, and refuses names in it that could not be shown', async () => {
    const metadata = {
      ...{ provider: 'Venue', owner: 'desk', capabilities: ['trade'], usedIn: ['bot'], rotateEveryDays: 30 },
      custom: { 'cost centre': '7', ü: '' },
    };
    const { secret } = await store(newPath(), {}, { metadata });
    const { rotateBy, ...given } = (await shared().expect(200, 'GET', `/v1/secrets/${secret.id}`)).metadata;
    assert.deepEqual(given, metadata);
    assert.equal(Date.parse(rotateBy), Date.parse(secret.updatedAt) + 30 * 86_400_000);
    for (const name of ['', 'a\nb', '\n', 'x'.repeat(129)]) {
      const refused = await store(newPath(), {}, { metadata: { custom: { [name]: 'a' } } }, 400);
      assert.equal(refused.code, 'INVALID_INPUT', JSON.stringify(name));
    }
  });

  it('stays due when something else of it is changed, until that is named or a version stored', async () => {
    const path = newPath();
    const due = '2030-01-01T00:00:00.000Z';
    const { secret } = await store(path, {}, { metadata: { provider: 'Venue', rotateBy: due } });
    const patch = async (metadata: object) =>
      (await shared().expect(200, 'PATCH', `/v1/secrets/${secret.id}`, { metadata })).metadata;
    assert.deepEqual(await patch({ owner: 'me' }), { owner: 'me', rotateBy: due });
    assert.deepEqual(await patch({ owner: 'me', rotateBy: null }), { owner: 'me' });
    await patch({ rotateBy: due });
    assert.deepEqual((await store(path, {})).secret.metadata, {}, 'what was due is done');
    const stored = (await store(path, {}, { metadata: { rotateBy: due, rotateEveryDays: 7 } })).secret;
    assert.equal(stored.metadata.rotateBy, due);
    const renewed = (await store(path, {})).secret;
    assert.equal(Date.parse(renewed.metadata.rotateBy), Date.parse(renewed.updatedAt) + 7 * 86_400_000);
  });

  it('takes check-and-set: the newest version, 0 for none, and always where it is required', async () => {
    const path = newPath();
    assert.match((await store(path, {}, { cas: 1 }, 409)).detail, /newest version is 0, not 1/);
    const { secret } = await store(path, {}, { cas: 0 });
    assert.equal((await store(path, {}, { cas: 0 }, 409)).code, 'CAS_MISMATCH');
    await store(path, {}, { cas: 1 });
    await store(path, {});
    await shared().expect(200, 'PATCH', `/v1/secrets/${secret.id}`, { casRequired: true });
    const refused = await store(path, {}, {}, 409);
    assert.deepEqual([refused.code, refused.field], ['CAS_MISMATCH', '/cas']);
    assert.equal((await store(path, {}, { cas: 3 })).version.version, 4);
    await shared().expect(200, 'PATCH', `/v1/secrets/${secret.id}`, { casRequired: false });
    await store(path, {});
  });

  it('lets exactly one of fifty writes at once win that name the same version, the first included', async () => {
    const path = newPath();
    for (const cas of [0, 1, 2]) {
      const writes = Array.from({ length: 50 }, (_, i) =>
        shared().installation.call('POST', '/v1/secrets', {
          ...{ project: 'market', environment: 'test', path, data: { i }, cas },
        }),
      );
      const answers = await Promise.all(writes);
      const won = answers.filter(({ status }) => status === 201);
      assert.equal(won.length, 1);
      for (const { status, body } of answers) assert.ok(status === 201 || body.code === 'CAS_MISMATCH', `${status}`);
      const data = { i: answers.indexOf(won[0] as (typeof answers)[number]) };
      assert.deepEqual((await reveal(won[0]?.body.secret.id)).data, data);
    }
  });

  it('keeps as many versions as it says and destroys the envelopes of older ones', async () => {
    const path = newPath();
    const { secret } = await store(path, { v: 1 });
    await shared().expect(200, 'PATCH', `/v1/secrets/${secret.id}`, { maxVersions: 2 });
    for (let v = 2; v <= 4; v++) await store(path, { v });
    assert.deepEqual(await statesOf(secret.id), ['4 live', '3 live', '2 destroyed', '1 destroyed']);
    assert.deepEqual(
      (await envelopes(secret.id)).map((envelope) => envelope === null),
      [true, true, false, false],
    );
    assert.match((await reveal(secret.id, 2, 404)).detail, /destroyed/);
  });

  it('that is to keep far fewer versions keeps no more after the next write, each batch an entry', async () => {
    const path = newPath();
    const { secret } = await store(path, { v: 1 });
    await shared().expect(200, 'PATCH', `/v1/secrets/${secret.id}`, { maxVersions: 100 });
    for (let v = 2; v <= 65; v++) await store(path, { v });
    assert.equal((await envelopes(secret.id)).filter((envelope) => envelope === null).length, 0);
    await shared().expect(200, 'PATCH', `/v1/secrets/${secret.id}`, { maxVersions: 2 });
    await store(path, { v: 66 });
    const live = (await statesOf(secret.id)).filter((state) => state.endsWith('live'));
    assert.deepEqual(live, ['66 live', '65 live']);
    assert.equal((await envelopes(secret.id)).filter((envelope) => envelope === null).length, 64);
    assert.equal((await reveal(secret.id, 64, 404)).code, 'SECRET_VERSION_GONE');
    const { items } = await shared().expect(
      200,
      'GET',
      `/v1/audit/entries?action=secret.destroyed&subject=${secret.id}`,
    );
    assert.equal(items.length, 3);
  });

  it('keeps ten versions where it says nothing', async () => {
    const path = newPath();
    let id = '';
    for (let v = 1; v <= 12; v++) id = (await store(path, { v })).secret.id;
    assert.equal((await statesOf(id)).filter((state) => state.endsWith('live')).length, 10);
  });

  it('is not revealed while deleted, is again when undeleted, and never once destroyed', async () => {
    const path = newPath();
    const { secret } = await store(path, { v: 1 });
    await store(path, { v: 2 });
    const change = (word: string, versions: number[], status = 200) =>
      post(status, `/v1/secrets/${secret.id}/${word}`, { versions });
    await change('delete', [1]);
    assert.match((await reveal(secret.id, 1, 404)).detail, /It is deleted/);
    assert.deepEqual((await reveal(secret.id, 2)).data, { v: 2 });
    await change('undelete', [1, 2]);
    assert.deepEqual((await reveal(secret.id, 1)).data, { v: 1 });
    await change('destroy', [1]);
    assert.deepEqual(
      (await envelopes(secret.id)).map((envelope) => envelope === null),
      [true, false],
    );
    await change('destroy', [1]);
    for (const word of ['delete', 'undelete']) assert.match((await change(word, [1, 2], 404)).detail, /destroyed/);
    assert.deepEqual(await statesOf(secret.id), ['2 live', '1 destroyed'], 'all or none');
    assert.match((await change('delete', [2, 3], 404)).detail, /no version 3/);
    assert.deepEqual(await statesOf(secret.id), ['2 live', '1 destroyed'], 'all or none');
  });

  it('stays deleted since when it was, however often it is deleted', async () => {
    const { secret } = await store(newPath(), {});
    const once = await post(200, `/v1/secrets/${secret.id}/delete`, { versions: [1] });
    const twice = await post(200, `/v1/secrets/${secret.id}/delete`, { versions: [1] });
    assert.equal(twice.versions[0].deletedAt, once.versions[0].deletedAt);
  });

  it('answers a repeated write with what the first one made, and stores nothing', async () => {
    const body = { project: 'market', environment: 'test', path: newPath(), data: { a: 1 } };
    const headers = { 'idempotency-key': randomUUID() };
    const first = await post(201, '/v1/secrets', body, headers);
    assert.deepEqual(await post(200, '/v1/secrets', body, headers), first);
    assert.deepEqual(await statesOf(first.secret.id), ['1 live']);
    const other = await post(422, '/v1/secrets', { ...body, data: { a: 2 } }, headers);
    assert.equal(other.code, 'IDEMPOTENCY_KEY_REUSED');
  });

  it('of the same request leaves another digest under each idempotency key: nobody can guess from it', async () => {
    const body = { project: 'market', environment: 'test', path: newPath(), data: { pin: '0000' } };
    await post(201, '/v1/secrets', body, { 'idempotency-key': randomUUID() });
    await post(201, '/v1/secrets', body, { 'idempotency-key': randomUUID() });
    await using raw = await openRaw(shared().place);
    const kept = await raw.rows(`select request_digest from idempotency where response like '%"${body.path}"%'`);
    assert.equal(new Set(kept.map((row) => row.request_digest)).size, 2);
  });

  it('of 1 MiB is stored, and of one byte more refused by name, with nothing left behind', async () => {
    const path = newPath();
    const frame = '{"a":""}'.length;
    const { secret } = await store(path, { a: 'x'.repeat(MAX_SECRET_BYTES - frame) });
    assert.equal((await reveal(secret.id)).data.a.length, MAX_SECRET_BYTES - frame);
    const { sequence } = await newest();
    const refused = await store(path, { a: 'x'.repeat(MAX_SECRET_BYTES - frame + 1) }, {}, 413);
    assert.deepEqual([refused.code, refused.field], ['SECRET_TOO_LARGE', '/data']);
    assert.match(refused.detail, new RegExp(`^${MAX_SECRET_BYTES + 1} bytes; ${MAX_SECRET_BYTES} is the most`));
    // Two bytes each in UTF-8, six as escaped: what counts is the data and not how it was sent.
    await store(path, { a: '\u00e9'.repeat((MAX_SECRET_BYTES - frame) / 2) });
    assert.equal((await newest()).sequence, sequence + 1);
  });
});
