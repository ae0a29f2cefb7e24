import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { Scratch } from '../database/scratch.ts';
import { decryptWith, encryptTo, newPair } from '../delivery/pair-cipher.ts';
import type { SideRow } from '../ledger/side.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { openOwnVault, type OwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { findPersonal, PERSONAL_SEARCH } from './find-personal.ts';
import { replaceSide } from './personal.store.ts';
import { PersonalParts } from './personal-parts.ts';

const BEGIN_MS = Date.UTC(2026, 9, 20);
const ADDRESS = '203.0.113.9';
/** Entries of the log that have it: far apart, and many together. */
const THERE = [2, 3, 21, 22, 23, 24, 25, 39];

onEachDatabase('a search for a personal value', (createPlace) => {
  const stack = new AsyncDisposableStack();
  let own: OwnVault;
  let personal: PersonalParts;

  before(async () => {
    const place = stack.use(await createPlace());
    own = stack.use(await openOwnVault(place));
    const { vault, store, gate } = own;
    const scratch = new Scratch(store);
    const pair = { newPair, encryptTo, decryptWith };
    personal = new PersonalParts({ vault, scratch, place: own.place, pair });
    await gate.openByItself();
    await enterMany(vault.ledger, 40);
    await using raw = await openRaw(place);
    for (const sequence of [...THERE, 30]) {
      const text = JSON.stringify({ ip: sequence === 30 ? '198.51.100.7' : ADDRESS });
      const side = { about: `tok_${sequence % 3}`, atMs: BEGIN_MS, salt: '00'.repeat(32), text };
      const { row, tokens } = await personal.prepare(side);
      await raw.run(`insert into entry_sides (sequence, key_id, salt, body) values (${sequence}, null, '', '')`);
      await scratch.write((tables) => replaceSide(tables, { sequence, row: row as SideRow, tokens }));
    }
    // As after a start with the clock behind.
    await raw.run(`update entries set at = ${BEGIN_MS} + sequence`);
    await raw.run(`update entries set at = ${BEGIN_MS} + 5 where sequence = 24`);
  });
  after(() => stack.disposeAsync());

  it('finds each that has it once and in order, in however many steps', async () => {
    for (const order of ['asc', 'desc'] as const) {
      for (const sizes of [
        PERSONAL_SEARCH,
        { ...PERSONAL_SEARCH, found: 2 },
        { ...PERSONAL_SEARCH, found: 1, parts: 2 },
        { ...PERSONAL_SEARCH, keys: 1, atOnce: 6 },
        { ...PERSONAL_SEARCH, keys: 1, atOnce: 6, found: 2, parts: 2, farRounds: 0 },
      ]) {
        for (const [since, until] of [[], [20], [undefined, 22]]) {
          const time = { sinceMs: atMs(since), untilMs: atMs(until) };
          const there = THERE.filter((sequence) => {
            const at = sequence === 24 ? 5 : sequence;
            return at >= (since ?? at) && at <= (until ?? at);
          });
          const { found } = await search({ order, ...time }, sizes);
          assert.deepEqual(found, order === 'asc' ? there : there.reverse(), JSON.stringify({ order, time, sizes }));
        }
      }
    }
  });

  it('answers after so many steps with what it has, and goes on from there', async () => {
    assert.equal((await search({ order: 'asc' }, PERSONAL_SEARCH)).steps, 1);
    assert.equal((await search({ order: 'asc' }, { ...PERSONAL_SEARCH, found: 1, parts: 2 })).steps, 5);
    // Past the far end of a time there is nothing to go on to.
    const late = { order: 'desc', sinceMs: atMs(39) } as const;
    assert.deepEqual(await search(late, { ...PERSONAL_SEARCH, found: 1, parts: 2 }), { found: [39], steps: 1 });
    // Seven parts of 6 entries, two of them at a time.
    assert.equal((await search({ order: 'asc' }, { ...PERSONAL_SEARCH, keys: 1, atOnce: 6, parts: 2 })).steps, 4);
  });

  function atMs(sequence: number | undefined): number | undefined {
    return sequence === undefined ? undefined : BEGIN_MS + sequence;
  }

  async function search(
    filter: { order: 'asc' | 'desc'; sinceMs?: number | undefined; untilMs?: number | undefined },
    sizes: typeof PERSONAL_SEARCH,
  ): Promise<{ found: number[]; steps: number }> {
    const found: number[] = [];
    const searching = { vault: own.vault, personal };
    for (let beyond: number | undefined, steps = 1; ; steps++) {
      const step = { ...filter, beyond, limit: 50 };
      const some = await findPersonal(searching, { value: ADDRESS, about: undefined }, step, sizes);
      assert.ok(!isRefusal(some));
      found.push(...some.rows.map(({ sequence }) => sequence));
      if (some.through === null) return { found, steps };
      beyond = some.through;
    }
  }
});
