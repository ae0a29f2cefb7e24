import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';

onEachDatabase('entries are found', (createPlace) => {
  const shared = shareMarket(createPlace);
  const revoked: string[] = [];
  let all: Entry[] = [];

  const list = async (query: string): Promise<{ items: Entry[]; nextCursor: string | null }> =>
    await shared().expect(200, 'GET', `/v1/audit/entries?${query}`);
  const sequences = async (query: string): Promise<number[]> =>
    (await list(`limit=200&order=asc&${query}`)).items.map(({ sequence }) => sequence);
  const where = (test: (entry: Entry) => boolean) => all.filter(test).map(({ sequence }) => sequence);

  before(async () => {
    for (const reason of ['key_compromise', 'superseded', 'key_compromise', 'superseded', 'key_compromise']) {
      const { keyId } = await shared().market.issue();
      await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason });
      if (reason === 'key_compromise') revoked.push(keyId);
    }
    all = (await list('limit=200&order=asc')).items;
  });

  it('by action, actor, subject and outcome, alone and together', async () => {
    const [{ actor, subject }] = all.filter(({ action }) => action === 'key.revoked') as [Entry];
    assert.deepEqual(
      await sequences('action=key.revoked'),
      where(({ action }) => action === 'key.revoked'),
    );
    assert.deepEqual(
      await sequences(`actor=${actor}`),
      where((entry) => entry.actor === actor),
    );
    assert.deepEqual(
      await sequences(`subject=${subject}`),
      where((entry) => entry.subject === subject),
    );
    const compromised = where(({ leaf }) => leaf.includes('"code":"key_compromise"'));
    assert.equal(compromised.length, revoked.length);
    assert.deepEqual(await sequences('code=key_compromise'), compromised);
    assert.deepEqual(await sequences(`code=key_compromise&subject=${revoked[0]}`), compromised.slice(0, 1));
    for (const none of ['key-compromise', 'KEY_COMPROMISE', 'key_compromis', 'keyXcompromise']) {
      assert.deepEqual(await sequences(`code=${none}`), [], none);
    }
  });

  it('by time and by number, both ends included', async () => {
    const [first, last] = [all[3], all[all.length - 3]] as [Entry, Entry];
    assert.deepEqual(
      await sequences(`since=${first.at}&until=${last.at}`),
      where(({ at }) => at >= first.at && at <= last.at),
    );
    assert.deepEqual(
      await sequences(`from=${first.sequence}&to=${last.sequence}`),
      where(({ sequence }) => sequence >= first.sequence && sequence <= last.sequence),
    );
    for (const query of ['since=2026-13-01T00:00:00Z', 'until=yesterday', 'from=0', 'to=x']) {
      assert.equal((await shared().installation.call('GET', `/v1/audit/entries?${query}`)).status, 400, query);
    }
  });

  it('page by page under a filter, each once, and a cursor fits no other filter', async () => {
    const found: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: { items: Entry[]; nextCursor: string | null } = await list(
        `action=key.revoked&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      found.push(...page.items.map(({ sequence }) => sequence));
      if (page.nextCursor !== null) {
        const other = `/v1/audit/entries?action=key.issued&limit=2&cursor=${page.nextCursor}`;
        assert.equal((await shared().installation.call('GET', other)).body.code, 'INVALID_CURSOR');
      }
      cursor = page.nextCursor;
    }
    assert.deepEqual(
      found.reverse(),
      where(({ action }) => action === 'key.revoked'),
    );
  });

  it('however many lie before them: a page that has none yet goes on by its cursor', async () => {
    await using raw = await openRaw(shared().place);
    // Far from where the log goes on.
    await raw.run(`insert into entries (sequence, id, at, actor, action, subject, leaf, hash)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 20001)
      select 1000000 + i, 'ent_of_many_' || i, 0, 'system', 'of.many', 'system', '{}', '' from n`);
    const query = 'code=key_compromise&limit=2';
    const first = await list(query);
    assert.deepEqual(first.items, []);
    assert.notEqual(first.nextCursor, null);
    const second = await list(`${query}&cursor=${first.nextCursor}`);
    const third = await list(`${query}&cursor=${second.nextCursor}`);
    assert.deepEqual(
      [...second.items, ...third.items].map(({ subject }) => subject),
      [...revoked].reverse(),
    );
    assert.equal(third.nextCursor, null);
    await raw.run('delete from entries where sequence > 1000000');
  });
});
