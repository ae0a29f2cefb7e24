import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isRefusal, refuse } from '@keyhold/protocol/errors';
import { systemClock } from '../clock.ts';
import { openPostgres, openSqlite, type Store } from '../database/store.ts';
import { systemRandom } from '../random.ts';
import { createPlace, onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { POSTGRES_URL } from '../testing/postgres.ts';
import { openRaw } from '../testing/raw-database.ts';
import type { Head } from './chain.ts';
import type { Facts } from './facts.ts';
import { type Committed, Ledger, takeEpoch } from './ledger.ts';

async function openLedger({ folder, databaseUrl }: TestPlace, known?: Head) {
  const store: Store = await (databaseUrl === undefined
    ? openSqlite(join(folder, 'keyhold.db'))
    : openPostgres(databaseUrl));
  const head = known ?? (await takeEpoch(store, systemRandom.newId)).head;
  const groups: Committed[] = [];
  const options = {
    store,
    clock: systemClock,
    newId: systemRandom.newId,
    newSalt: () => Buffer.from(systemRandom.bytes(32)).toString('hex'),
    committed: (group: Committed) => groups.push(group),
    recovered: async () => {},
    tampered: () => {},
  };
  return { store, groups, ledger: new Ledger(options, head) };
}

const createProject = (slug: string) => (facts: Facts) =>
  facts.insert('projects', { id: `proj_${slug}`, slug, name: slug, created_at: 0 });
const draft = (subject: string) => ({ actor: 'system', action: 'project.created', subject });
const slugs = async (store: Store) =>
  (await store.reader.selectFrom('projects').select('slug').orderBy('slug').execute()).map(({ slug }) => slug);

onEachDatabase('changes that share one commit', (createPlace) => {
  it('are undone alone: a refusal, a throw and a broken constraint leave the others committed', async () => {
    await using place = await createPlace();
    const { store, ledger, groups } = await openLedger(place);
    await using _ = store;
    const results = await Promise.allSettled([
      ledger.record(draft('proj_a'), createProject('a')),
      ledger.record(draft('proj_b'), async (facts) => {
        await createProject('b')(facts);
        return refuse('SLUG_TAKEN', 'no');
      }),
      ledger.record(draft('proj_c'), async (facts) => {
        await createProject('c')(facts);
        throw new Error('broken');
      }),
      ledger.record(draft('proj_a2'), (facts) =>
        facts.insert('projects', { id: 'proj_a2', slug: 'a', name: 'a', created_at: 0 }),
      ),
      ledger.record(draft('proj_d'), createProject('d')),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
    assert.ok(results[1]?.status === 'fulfilled' && isRefusal(results[1].value));
    assert.deepEqual(await slugs(store), ['a', 'd']);
    assert.equal(groups.length, 1);
    assert.equal(ledger.head.sequence, 2);
    const subjects = await store.reader.selectFrom('entries').select('subject').orderBy('sequence').execute();
    assert.deepEqual(
      subjects.map(({ subject }) => subject),
      ['proj_a', 'proj_d'],
    );
  });

  it('are undone alone whatever they did last: a row changed or removed is as it was, and a read that failed is no end', async () => {
    await using place = await createPlace();
    const { store, ledger } = await openLedger(place);
    await using _ = store;
    for (const slug of ['a', 'b', 'c']) await ledger.record(draft(`proj_${slug}`), createProject(slug));
    const failing = async (facts: Facts) =>
      await facts.db
        .selectFrom('nowhere' as 'projects')
        .selectAll()
        .execute();
    const whole = async (facts: Facts, slug: string) => (await facts.find('projects', `proj_${slug}`)) as never;
    const results = await Promise.allSettled([
      ledger.record(draft('proj_a'), async (facts) => {
        await facts.update('projects', await whole(facts, 'a'), { name: 'other' });
        return refuse('SLUG_TAKEN', 'no');
      }),
      ledger.record(draft('proj_b'), async (facts) => {
        await facts.remove('projects', await whole(facts, 'b'));
        await failing(facts);
      }),
      ledger.record(draft('proj_c'), failing),
      ledger.record({ ...draft('proj_c'), evenWithoutChange: true }, async () => null),
      ledger.record(draft('proj_c'), async (facts) =>
        facts.update('projects', await whole(facts, 'c'), { name: 'changed' }),
      ),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled'],
    );
    const rows = await store.reader.selectFrom('projects').select('name').orderBy('slug').execute();
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['a', 'b', 'changed'],
    );
    // Digests too are those of what is there.
    for (const slug of ['a', 'b', 'c']) {
      const found = await ledger.record(draft(`proj_${slug}`), (facts) => facts.find('projects', `proj_${slug}`));
      assert.ok(!isRefusal(found) && found.value !== undefined, slug);
    }
  });

  it('see what the ones before them did, row and digest', async () => {
    await using place = await createPlace();
    const { store, ledger, groups } = await openLedger(place);
    await using _ = store;
    const rename = (name: string) =>
      ledger.record({ actor: 'system', action: 'project.renamed', subject: 'proj_a' }, async (facts) => {
        const row = await facts.find('projects', 'proj_a');
        if (row === undefined) throw new Error('the row of the same group is missing');
        return await facts.update('projects', row, { name: `${row.name} ${name}` });
      });
    await Promise.all([ledger.record(draft('proj_a'), createProject('a')), rename('b'), rename('c')]);
    assert.equal(groups.length, 1);
    assert.equal(ledger.head.sequence, 3);
    const row = await store.reader.selectFrom('projects').select('name').executeTakeFirstOrThrow();
    assert.equal(row.name, 'a b c');
  });

  it('write nothing when all of them refuse or change nothing', async () => {
    await using place = await createPlace();
    const { store, ledger, groups } = await openLedger(place);
    await using _ = store;
    await Promise.all([
      ledger.record(draft('proj_a'), async () => refuse('SLUG_TAKEN', 'no')),
      ledger.record(draft('proj_b'), async () => 'nothing'),
    ]);
    assert.deepEqual([groups.length, ledger.head.sequence, ledger.head.hash], [0, 0, null]);
  });

  it('are refused once another control plane has taken the ledger over', async () => {
    await using place = await createPlace();
    const { store, ledger } = await openLedger(place);
    await using _ = store;
    await takeEpoch(store, systemRandom.newId);
    await assert.rejects(ledger.record(draft('proj_a'), createProject('a')), { name: 'Superseded' });
    assert.deepEqual(await slugs(store), []);
  });

  it('become entries that link, each with the digests before and after', async () => {
    await using place = await createPlace();
    const { store, ledger } = await openLedger(place);
    await using _ = store;
    await Promise.all(['a', 'b', 'c'].map((slug) => ledger.record(draft(`proj_${slug}`), createProject(slug))));
    const entries = await store.reader.selectFrom('entries').selectAll().orderBy('sequence').execute();
    const leaves = entries.map(({ leaf }) => JSON.parse(leaf));
    assert.deepEqual(
      leaves.map(({ previous }) => previous),
      [null, entries[0]?.hash, entries[1]?.hash],
    );
    for (const { changes } of leaves) assert.deepEqual([changes.length, changes[0].before], [1, null]);
    assert.equal(ledger.head.hash, entries[2]?.hash);
  });
});

if (POSTGRES_URL !== undefined) {
  describe('changes of two writers on PostgreSQL', () => {
    const rename = (slug: string) => async (facts: Facts) => {
      const row = await facts.find('projects', `proj_${slug}`);
      assert.ok(row);
      return await facts.update('projects', row, { name: 'renamed' });
    };

    it('can not lock each other out for good: rows are locked in id order, however a change names them', async () => {
      await using place = await createPlace('postgres');
      const { store, ledger } = await openLedger(place);
      await using _ = store;
      // In the table they lie the other way round.
      for (const slug of ['b', 'a']) await ledger.record(draft(`proj_${slug}`), createProject(slug));
      await using other = await openRaw(place);
      await using watching = await openRaw(place);
      const lock = (id: string) => other.rows(`select 1 from row_heads where row_id = '${id}' for update nowait`);
      await other.run('begin');
      await lock('proj_a');
      let hasBegun = false;
      const waiting = ledger.record({ ...draft('proj_a'), locks: ['proj_b', 'proj_a'] }, (facts) => {
        hasBegun = true;
        return rename('a')(facts);
      });
      await eventually('it waits for the first row', async () => {
        const waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        return (await watching.rows(waits)).length > 0;
      });
      assert.equal(hasBegun, false, 'a change begins when it has its rows');
      await lock('proj_b');
      await other.run('commit');
      assert.ok(!isRefusal(await waiting));
    });

    it('wait for each other at the end only: the head is locked behind all that a change does', async () => {
      await using place = await createPlace('postgres');
      const one = await openLedger(place);
      await using _one = one.store;
      for (const slug of ['a', 'b']) await one.ledger.record(draft(`proj_${slug}`), createProject(slug));
      const two = await openLedger(place, one.ledger.head);
      await using _two = two.store;
      await using raw = await openRaw(place);
      const order: number[] = [];
      const recorded = await one.ledger.record({ ...draft('proj_a'), locks: ['proj_a'] }, async (facts) => {
        await rename('a')(facts);
        await raw.rows('select one from ledger_head for update nowait');
        const meanwhile = await two.ledger.record({ ...draft('proj_b'), locks: ['proj_b'] }, rename('b'));
        if (!isRefusal(meanwhile)) order.push(meanwhile.sequence);
      });
      if (!isRefusal(recorded)) order.push(recorded.sequence);
      assert.deepEqual(order, [3, 4]);
    });
  });
}
