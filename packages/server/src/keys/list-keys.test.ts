import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { type State, STATES } from '@keyhold/protocol/state';
import fc from 'fast-check';
import { findWaiting } from '../delivery/deliveries.store.ts';
import { openSqlite, openPostgres, type Store } from '../database/store.ts';
import { join } from 'node:path';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { openRaw } from '../testing/raw-database.ts';
import { stateAt } from './key.ts';
import { findSignatureKeys, listKeys } from './keys.store.ts';
import { loadUses } from './usage.store.ts';

onEachDatabase('listing keys', (createPlace) => {
  const shared = shareMarket(createPlace);
  const ids: string[] = [];
  let other: { consumer: string; keyId: string };

  before(async () => {
    const { market, expect } = shared();
    for (const name of ['Alpha bot', 'beta_bot', 'gamma 100%', 'delta']) ids.push((await market.issue({ name })).keyId);
    await expect(201, 'POST', '/v1/projects', { slug: 'other', name: 'Other' });
    await expect(201, 'POST', '/v1/projects/other/environments', { name: 'live', prefix: 'oth_live' });
    const consumer = (await expect(201, 'POST', '/v1/consumers', { project: 'other', name: 'other' })).id;
    const place = { project: 'other', environment: 'live', consumer };
    const issued = await expect(201, 'POST', '/v1/keys', { ...place, name: 'other', permissions: [] });
    other = { consumer, keyId: issued.key.id };
  });

  const list = async (query: Record<string, string>): Promise<{ ids: string[]; next: string | null }> => {
    const page = await shared().expect(200, 'GET', `/v1/keys?${new URLSearchParams(query)}`);
    return { ids: page.items.map(({ id }: { id: string }) => id), next: page.nextCursor };
  };
  const found = async (query: Record<string, string>) => (await list(query)).ids;

  it('shows the newest first and each key in one page only', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { ids: string[]; next: string | null } = await list({
        limit: '2',
        ...(cursor === null ? {} : { cursor }),
      });
      assert.ok(page.ids.length <= 2);
      seen.push(...page.ids);
      cursor = page.next;
    } while (cursor !== null);
    assert.deepEqual(seen, [other.keyId, ...[...ids].reverse()]);
  });

  it('filters by project, environment and consumer', async () => {
    assert.deepEqual(await found({ project: 'other' }), [other.keyId]);
    assert.deepEqual(await found({ project: 'other', environment: 'live' }), [other.keyId]);
    assert.deepEqual(await found({ consumer: other.consumer }), [other.keyId]);
    assert.deepEqual(await found({ project: 'market', consumer: other.consumer }), []);
    assert.equal((await shared().expect(404, 'GET', '/v1/keys?project=absent')).code, 'PROJECT_NOT_FOUND');
    const wrong = await shared().expect(404, 'GET', '/v1/keys?project=market&environment=live');
    assert.equal(wrong.code, 'ENVIRONMENT_NOT_FOUND');
    assert.equal((await shared().expect(400, 'GET', '/v1/keys?environment=test')).field, 'project');
  });

  it('finds by part of the name whatever its case, by hint, by key id and by credential id', async () => {
    assert.deepEqual(await found({ q: 'BOT' }), [ids[1], ids[0]]);
    assert.deepEqual(await found({ q: 'lph' }), [ids[0]]);
    const key = await shared().expect(200, 'GET', `/v1/keys/${ids[3]}`);
    assert.ok((await found({ q: key.credentials[0].hint })).includes(key.id));
    assert.deepEqual(await found({ q: key.id }), [key.id]);
    assert.deepEqual(await found({ q: key.credentials[0].id }), [key.id]);
    assert.deepEqual(await found({ q: 'nothing of the kind' }), []);
  });

  it('lets no wildcard of the database match more than one character', async () => {
    assert.deepEqual(await found({ q: '100%' }), [ids[2]]);
    assert.deepEqual(await found({ q: 'a%a' }), []);
    assert.deepEqual(await found({ q: 'beta_bot' }), [ids[1]]);
  });

  it('takes a cursor only with the filters and from the caller that it was made for', async () => {
    const { next } = await list({ limit: '1' });
    const problem = await shared().expect(400, 'GET', `/v1/keys?limit=1&q=bot&cursor=${next}`);
    assert.equal(problem.code, 'INVALID_CURSOR');
    const token = await shared().expect(201, 'POST', '/v1/tokens', { name: 'reader', scopes: ['read'] });
    const foreign = await shared().installation.call('GET', `/v1/keys?limit=1&cursor=${next}`, undefined, {
      token: token.secret,
    });
    assert.equal(foreign.body.code, 'INVALID_CURSOR');
  });
});

/** Keys of every stored state around one moment. */
const keyRows = fc.array(
  fc.record({
    state: fc.constantFrom<State>('active', 'suspended', 'deactivated', 'compromised', 'destroyed'),
    starts_at: fc.option(fc.integer({ min: 995, max: 1005 })),
    expires_at: fc.option(fc.integer({ min: 995, max: 1005 })),
  }),
  { minLength: 5, maxLength: 25 },
);

onEachDatabase('the credentials of keys', (createPlace) => {
  it('can be more than one statement can name: keys that have them are shown, revoked and destroyed', async () => {
    await using place = await createPlace();
    await using store = await openStore(place);
    const many = Array.from({ length: 70_000 }, (_, i) => ({ id: `cred_${i}`, kind: 'hmac' as const }));
    const ids = many.map(({ id }) => id);
    await using raw = await openRaw(place);
    const [first = '', last = ''] = [ids[0], ids.at(-1)];
    for (const id of [first, last]) await raw.run(`insert into credential_usage values ('${id}', 1, 1, null)`);
    assert.deepEqual([...(await loadUses(store.reader, ids)).keys()], [first, last]);
    assert.equal((await findSignatureKeys(store.reader, many)).size, 0);
    assert.deepEqual(await findWaiting(store.reader, ids), []);
  });
});

onEachDatabase('the state filter', (createPlace) => {
  it('finds at every moment exactly the keys whose state it is then', async () => {
    await using place = await createPlace();
    await using store = await openStore(place);
    await using raw = await openRaw(place);
    await raw.run("insert into projects values ('proj_1', 'x', 'p', 'p', 0)");
    await raw.run("insert into environments values ('env_1', 'x', 'proj_1', 'e', 'pp', 'production', 30, 'refuse', 0)");
    await fc.assert(
      fc.asyncProperty(keyRows, fc.integer({ min: 994, max: 1006 }), async (rows, nowMs) => {
        await raw.run('delete from keys');
        const values = rows.map(({ state, starts_at, expires_at }, i) => {
          const times = `${starts_at ?? 'null'}, ${expires_at ?? 'null'}`;
          return `('key_${i}', 'x', 'proj_1', 'env_1', 'c', 'n', '${state}', null, '[]', '[]', '[]', null, null, ${times}, 0)`;
        });
        await raw.run(`insert into keys values ${values.join(', ')}`);
        for (const state of STATES) {
          const filter = { projects: null, environments: [], state, limit: 100, nowMs };
          const listed = (await listKeys(store.reader, filter)).map(({ id }) => id).sort();
          const expected = rows.flatMap((row, i) => (stateAt(row, nowMs) === state ? [`key_${i}`] : [])).sort();
          assert.deepEqual(listed, expected, state);
        }
      }),
      { numRuns: 40 },
    );
  });
});

async function openStore({ folder, databaseUrl }: TestPlace): Promise<Store> {
  return await (databaseUrl === undefined ? openSqlite(join(folder, 'keyhold.db')) : openPostgres(databaseUrl));
}
