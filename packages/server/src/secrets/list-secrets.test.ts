import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';

/** `npm run soak` lists 100,000. */
const MANY = Number(process.env['KEYHOLD_LISTED_SECRETS'] ?? 1_500);
/** `npm run soak -- secrets` lists 10,000. */
const VERSIONS = Number(process.env['KEYHOLD_LISTED_VERSIONS'] ?? 120);
const AT_ONCE = 50;
/** What means something to LIKE, GLOB, collations or string lengths somewhere. */
const ODD = [
  '%',
  '_',
  '\\',
  '*',
  '?',
  '[a]',
  "'",
  'a%b',
  'a_b',
  'aXb',
  'AXB',
  'ü',
  'u\u0308',
  '\u{1f511}',
  '\u{1f511}x',
  ' ',
];
const PATHS = [...Array.from({ length: MANY }, (_, i) => `many/${i}`), ...ODD.flatMap((path) => [path, `${path}/one`])];

onEachDatabase('secrets of an environment', (createPlace) => {
  const shared = shareMarket(createPlace);

  before(async () => {
    await shared().expect(201, 'POST', '/v1/projects/market/environments', { name: 'other', prefix: 'mkt_other' });
    const place = { project: 'market', environment: 'test' };
    await shared().expect(201, 'POST', '/v1/secrets', { ...place, environment: 'other', path: 'many/x', data: {} });
    for (let i = 0; i < PATHS.length; i += AT_ONCE) {
      const some = PATHS.slice(i, i + AT_ONCE);
      await Promise.all(some.map((path) => shared().expect(201, 'POST', '/v1/secrets', { ...place, path, data: {} })));
    }
  });

  const list = async (query: Record<string, string>): Promise<string[]> => {
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const from: Record<string, string> = cursor === null ? {} : { cursor };
      const search = new URLSearchParams({ project: 'market', environment: 'test', ...query, ...from });
      const page = await shared().expect(200, 'GET', `/v1/secrets?${search}`);
      found.push(...page.items.map(({ path }: { path: string }) => path));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  };
  const inOrder = (paths: readonly string[]) =>
    [...paths].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

  it('are listed by cursor, each once, in order of their paths', async () => {
    assert.deepEqual(await list({ limit: '200' }), inOrder(PATHS));
    assert.deepEqual(
      await list({ limit: '7', prefix: 'many/1' }),
      inOrder(PATHS.filter((path) => path.startsWith('many/1'))),
    );
  });

  it('are found by prefix, in which every character stands for itself', async () => {
    for (const prefix of [...ODD, ...ODD.map((path) => `${path}/`), 'm', 'many/', 'nothing', '\u{10ffff}', '\ud7ff']) {
      const expected = inOrder(PATHS.filter((path) => path.startsWith(prefix)));
      assert.deepEqual(await list({ limit: '200', prefix }), expected, JSON.stringify(prefix));
    }
  });

  it('go on with a cursor only under the same prefix', async () => {
    const page = await shared().expect(200, 'GET', '/v1/secrets?project=market&environment=test&prefix=many&limit=2');
    const query = `project=market&environment=test&limit=2&cursor=${page.nextCursor}`;
    assert.equal((await shared().expect(400, 'GET', `/v1/secrets?${query}`)).code, 'INVALID_CURSOR');
    await shared().expect(200, 'GET', `/v1/secrets?${query}&prefix=many`);
  });

  it('have versions that are listed by cursor, newest first', async () => {
    const body = { project: 'market', environment: 'test', path: 'versions', data: {} };
    let id = '';
    for (let i = 0; i < VERSIONS; i++) id = (await shared().expect(201, 'POST', '/v1/secrets', body)).secret.id;
    const found: number[] = [];
    let cursor = '';
    do {
      const page = await shared().expect(200, 'GET', `/v1/secrets/${id}/versions?limit=50${cursor}`);
      found.push(...page.items.map(({ version }: { version: number }) => version));
      cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
    } while (cursor !== '');
    assert.deepEqual(
      found,
      Array.from({ length: VERSIONS }, (_, i) => VERSIONS - i),
    );
    await shared().expect(200, 'DELETE', `/v1/secrets/${id}`);
  });
});
