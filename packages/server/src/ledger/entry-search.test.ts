import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { openOwnVault, type OwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { type EntryFilter, listEntries } from './entries.store.ts';
import { SEARCH, type SearchSizes, searchEntries } from './entry-search.store.ts';
import { edgeOf, edgeWithin } from './entry-times.store.ts';
import { lastBefore } from './pruned.store.ts';

/** Twice so many are more than two reads look at. */
const ENTRIES = 1_300;
const HOUR_MS = 60 * 60 * 1_000;

onEachDatabase('a search of the log', (createPlace) => {
  const stack = new AsyncDisposableStack();
  let own: OwnVault;

  before(async () => {
    const place = stack.use(await createPlace());
    own = stack.use(await openOwnVault(place));
    await enterMany(own.vault.ledger, ENTRIES);
    const draft = { actor: 'tok_one', action: 'subject.used', subject: 'subject_2', evenWithoutChange: true } as const;
    await own.vault.ledger.record({ ...draft, code: 'ODD' }, async () => null);
    await enterMany(own.vault.ledger, ENTRIES);
    // An hour each, but for one start with the clock ahead and another with it behind.
    await using raw = await openRaw(place);
    await raw.run(`update entries set at = sequence * ${HOUR_MS}`);
    await raw.run(`update entries set at = ${9_000 * HOUR_MS} + sequence where sequence between 600 and 610`);
    await raw.run(`update entries set at = ${5 * HOUR_MS} + sequence where sequence between 1500 and 1510`);
  });
  after(() => stack.disposeAsync());

  it('finds what one statement would have, in both directions, also where clocks went back', async () => {
    const [early, late] = [500 * HOUR_MS, 2_000 * HOUR_MS];
    const filters: Omit<EntryFilter, 'order' | 'limit'>[] = [
      { code: 'ODD' },
      { code: 'ODD', subject: 'subject_2', actor: 'tok_one' },
      { code: 'NONE' },
      { actor: 'system', action: 'subject.used', code: 'ODD' },
      { actor: 'system', subject: 'subject_2' },
      { code: 'ODD', sinceMs: 900 * HOUR_MS },
      { code: 'ODD', untilMs: 1_700 * HOUR_MS },
      { sinceMs: late },
      { untilMs: early },
      { sinceMs: early, untilMs: late, action: 'subject.used' },
      { sinceMs: early, untilMs: late, from: 550, to: 1_505 },
      { sinceMs: 9_000 * HOUR_MS },
      { sinceMs: 8_000 * HOUR_MS, untilMs: 8_001 * HOUR_MS },
    ];
    for (const filter of filters) {
      for (const order of ['asc', 'desc'] as const) {
        for (const beyond of [undefined, 605, 1_505]) {
          const whole = { ...filter, order, beyond, limit: 40 };
          const expected = (await listEntries(own.store.reader, whole)).map(one);
          const found = (await searchEntries(own.store.reader, whole)).rows.map(one);
          assert.deepEqual(found, expected, JSON.stringify(whole));
          if (beyond !== 605) assert.deepEqual(await searchOn(whole), expected, JSON.stringify(whole));
        }
      }
    }
  });

  it('ends after so many parts with where it goes on', async () => {
    const none = { code: 'NONE', order: 'asc', limit: 5 } as const;
    const some = await searchEntries(own.store.reader, none, { ...SEARCH, atOnce: 100, parts: 2 });
    assert.deepEqual(some, { rows: [], through: 200 });
    assert.equal((await searchEntries(own.store.reader, none)).through, null);
  });

  it('by time reads a page at its near end without looking for the far one, and ends at the far one', async () => {
    const half = { sinceMs: ENTRIES * HOUR_MS, order: 'desc', limit: 5 } as const;
    const page = await countReads((reader) => searchEntries(reader, half));
    assert.equal(page.found.rows.length, 5);
    // The newest, the near end, how far a part goes, the part.
    assert.equal(page.reads, 4);
    const few = { code: 'NONE', sinceMs: 2_300 * HOUR_MS, untilMs: 2_500 * HOUR_MS, order: 'desc', limit: 5 } as const;
    const { found } = await countReads((reader) => searchEntries(reader, few, { ...SEARCH, atOnce: 50, parts: 5 }));
    assert.deepEqual(found, { rows: [], through: null });
    assert.equal(await edgeWithin(own.store.reader, 'first', few, 1), 2_300);
    assert.equal(await edgeWithin(own.store.reader, 'first', half, 1), undefined);
  });

  it('gives way to others while it looks through what no index answers', async () => {
    const { reader } = own.store;
    const head = own.vault.ledger.head.sequence;
    assert.ok((await turnsDuring(() => searchEntries(reader, { code: 'NONE', order: 'desc', limit: 5 }))) >= 2);
    const both = { actor: 'system', action: 'no.such', order: 'asc', limit: 5 } as const;
    assert.ok((await turnsDuring(() => searchEntries(reader, both))) >= 2);
    assert.equal(await edgeOf(reader, 'first', { sinceMs: 2_500 * HOUR_MS }), 600);
    assert.equal(await edgeOf(reader, 'last', { untilMs: 1_450 * HOUR_MS }), 1_510);
    assert.equal(await edgeOf(reader, 'first', { sinceMs: head * HOUR_MS, untilMs: head * HOUR_MS }), head);
    assert.equal(await edgeOf(reader, 'last', { untilMs: -1 }), null);
  });

  it('tells what is old where one start had its clock ahead, and never by a clock that was behind', async () => {
    const old = (before: number, now: number) => lastBefore(own.store.reader, before * HOUR_MS, now * HOUR_MS);
    assert.equal(await old(1_000, 3_000), 999, 'those that are ahead keep nothing back');
    assert.equal(await old(1_000, 9_500), 599, 'but once their time has come they do');
    assert.equal(await old(1_400, 3_000), 1_399, 'those that are behind make nothing else old');
    assert.equal(await old(-1, 3_000), 0);
  });

  /** In steps that end long before the log does. */
  async function searchOn(filter: EntryFilter): Promise<number[]> {
    const sizes: SearchSizes = { atOnce: 100, parts: 3, farRounds: 1 };
    const found: number[] = [];
    for (let { beyond } = filter; ; ) {
      const step = { ...filter, beyond, limit: filter.limit - found.length };
      const { rows, through } = await searchEntries(own.store.reader, step, sizes);
      found.push(...rows.map(one));
      if (through === null) return found;
      beyond = through;
    }
  }

  async function countReads<Found>(search: (reader: OwnVault['store']['reader']) => Promise<Found>) {
    let reads = 0;
    const counted = own.store.reader.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        reads++;
        return result;
      },
    });
    return { found: await search(counted), reads };
  }

  async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
    let turns = 0;
    let isOver = false;
    const count = () => {
      if (isOver) return;
      turns++;
      setImmediate(count);
    };
    setImmediate(count);
    await work();
    isOver = true;
    return turns;
  }

  function one({ sequence }: { sequence: number }): number {
    return sequence;
  }
});
