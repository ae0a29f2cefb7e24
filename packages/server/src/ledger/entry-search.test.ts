import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { openOwnVault, type OwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { type EntryFilter, listEntries } from './entries.store.ts';
import { searchEntries } from './entry-search.store.ts';
import { edgeOf } from './entry-times.store.ts';
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
          const found = (await searchEntries(own.store.reader, whole)).map(one);
          assert.deepEqual(found, expected, JSON.stringify(whole));
        }
      }
    }
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
