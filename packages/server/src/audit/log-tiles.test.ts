import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { rootOf } from '@keyhold/protocol/log/merkle';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import { systemClock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import { openPostgres, openSqlite, type Store } from '../database/store.ts';
import { Ledger, takeEpoch } from '../ledger/ledger.ts';
import { countKeptTiles, PRUNED_ACTION } from '../ledger/pruned.store.ts';
import { hashLeaf, sha256, treeOfEntries } from '../ledger/tree.ts';
import { systemRandom } from '../random.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { openRaw } from '../testing/raw-database.ts';
import type { Vault } from '../vault/vault.ts';
import { FullTile } from './full-tile.ts';
import { EntryMissing, LogTiles } from './log-tiles.ts';
import { leafAt, proveInclusion } from './prove.ts';
import { deleteWhatWasPruned } from './prune-log.ts';

const ENTRIES = 2 * TILE_WIDTH + 40;
/** One of each subtree of the first tile, and some behind it. */
const PROVEN = [...Array.from({ length: 16 }, (_, i) => 16 * i + (i % 16)), 300, ENTRIES - 1];

async function openStore({ folder, databaseUrl }: TestPlace): Promise<Store> {
  return await (databaseUrl === undefined ? openSqlite(join(folder, 'keyhold.db')) : openPostgres(databaseUrl));
}

async function fill(store: Store): Promise<Ledger> {
  const { head } = await takeEpoch(store, systemRandom.newId);
  const newSalt = () => Buffer.from(systemRandom.bytes(32)).toString('hex');
  const deaf = { committed: () => {}, recovered: async () => {}, tampered: () => {} };
  const ledger = new Ledger({ store, clock: systemClock, newId: systemRandom.newId, newSalt, ...deaf }, head);
  await enterMany(ledger, ENTRIES);
  return ledger;
}

async function giveFirstTileUp(store: Store, ledger: Ledger): Promise<void> {
  const given = { actor: 'system', action: PRUNED_ACTION, subject: 'log', code: `up-to-${TILE_WIDTH}` } as const;
  await ledger.record({ ...given, evenWithoutChange: true }, async () => null);
  await deleteWhatWasPruned({ vault: { reader: store.reader } as Vault, store });
}

onEachDatabase('tiles that are kept', (createPlace) => {
  it('prove what they were made of, whatever became of their subtrees: what was edited is made anew, and told', async () => {
    await using place = await createPlace();
    const store = await openStore(place);
    await using _ = store;
    await fill(store);
    const root = rootOf(sha256, await treeOfEntries(store.reader, ENTRIES));
    const leaves = await Promise.all(PROVEN.map((index) => leafAt(store.reader, index + 1)));
    let told = 0;
    /** As after a start, with nothing in memory. */
    const provesAll = async (): Promise<number> => {
      told = 0;
      // Reads of one turn share what they see.
      await nextTurn();
      const tiles = new LogTiles(store.reader, new Scratch(store), () => told++);
      await tiles.keepFull(ENTRIES);
      for (const [i, index] of PROVEN.entries()) {
        const proven = await proveInclusion(tiles, index, ENTRIES);
        assert.deepEqual(Buffer.from(proven.root), Buffer.from(root));
        assert.deepEqual(Buffer.from(proven.leafHash), Buffer.from(hashLeaf(leaves[i] as string)));
      }
      return told;
    };
    assert.equal(await provesAll(), 0);
    await using raw = await openRaw(place);
    const kept = async () => await raw.rows('select level, number, hashes, subtrees from log_tiles order by id');
    const before = await kept();
    assert.deepEqual(
      before.map(({ subtrees }) => subtrees.length),
      [64 * 16, 64 * 16],
    );

    const first = 'where level = 0 and number = 0';
    const flipped = `(case when substr(subtrees, 1, 1) = '0' then '1' else '0' end) || substr(subtrees, 2)`;
    for (const edited of [flipped, 'substr(subtrees, 1, 100)', "''", "'no hex'"]) {
      await raw.run(`update log_tiles set subtrees = ${edited} ${first}`);
      assert.equal(await provesAll(), 1, edited);
      assert.deepEqual(await kept(), before, edited);
    }
    // What is shorter than a tile is none, and made from the entries each time.
    await raw.run(`update log_tiles set hashes = substr(hashes, 1, 100) ${first}`);
    assert.equal(await provesAll(), 0);

    // As a Keyhold of before kept them: nobody edited those.
    await raw.run(`update log_tiles set hashes = '${before[0].hashes}', subtrees = null ${first}`);
    assert.equal(await provesAll(), 0);
    const subtrees = async () => (await raw.rows(`select subtrees from log_tiles ${first}`))[0].subtrees;
    assert.equal(await subtrees(), null);
    // They get subtrees where the tile over them vouches for what they are made of.
    const below = FullTile.ofKept(before[0]) as FullTile;
    const over = FullTile.of(Array.from({ length: TILE_WIDTH }, () => below.root)).toKept();
    const row = `'01/00000000000000', 1, 0, '${over.hashes}', '${over.subtrees}'`;
    await raw.run(`insert into log_tiles (id, level, number, hashes, subtrees) values (${row})`);
    await nextTurn();
    const tiles = new LogTiles(store.reader, new Scratch(store), () => assert.fail('nothing was changed'));
    await tiles.hashes(0, 0, TILE_WIDTH);
    assert.equal(await subtrees(), before[0].subtrees);
  });

  it('are left as they lie where hashes and subtrees differ and the entries were given up, and that is told', async () => {
    await using place = await createPlace();
    const store = await openStore(place);
    await using _ = store;
    const ledger = await fill(store);
    const scratch = new Scratch(store);
    await new LogTiles(store.reader, scratch, () => {}).keepFull(ENTRIES);
    await giveFirstTileUp(store, ledger);
    await using raw = await openRaw(place);
    const kept = async () => await raw.rows('select hashes, subtrees from log_tiles order by id');
    for (const column of ['hashes', 'subtrees']) {
      const flipped = `(case when substr(${column}, 1, 1) = '0' then '1' else '0' end) || substr(${column}, 2)`;
      const [before] = await raw.rows('select hashes, subtrees from log_tiles where level = 0 and number = 0');
      await raw.run(`update log_tiles set ${column} = ${flipped} where level = 0 and number = 0`);
      await nextTurn();
      const edited = await kept();
      const tiles = new LogTiles(store.reader, scratch, () => assert.fail('nothing is made anew'));
      const lost = new EntryMissing('a tile was changed, and entry 1 is missing');
      for (let i = 0; i < 2; i++) await assert.rejects(tiles.rangeHash({ start: 0, end: ENTRIES }), lost);
      assert.deepEqual(await kept(), edited);
      await raw.run(`update log_tiles set ${column} = '${before[column]}' where level = 0 and number = 0`);
    }
    // One over it that does not vouch for itself vouches for nothing else.
    const over = `'01/0', 1, 0, '${'00'.repeat(32 * TILE_WIDTH)}', '${'11'.repeat(32 * 16)}'`;
    await raw.run(`insert into log_tiles (id, level, number, hashes, subtrees) values (${over})`);
    await nextTurn();
    const tiles = new LogTiles(store.reader, scratch, () => assert.fail('nothing was changed'));
    assert.equal((await tiles.hashes(0, 0, TILE_WIDTH)).length, TILE_WIDTH);
  });

  it('stay of entries that are given up while the others are made anew', async () => {
    await using place = await createPlace();
    const store = await openStore(place);
    await using _ = store;
    const ledger = await fill(store);
    const scratch = new Scratch(store);
    await new LogTiles(store.reader, scratch, () => {}).keepFull(ENTRIES);
    let isFirst = true;
    const write: Scratch['write'] = async (work) => {
      if (isFirst) {
        isFirst = false;
        await giveFirstTileUp(store, ledger);
      }
      return await scratch.write(work);
    };
    await new LogTiles(store.reader, { write } as Scratch, () => {}).rebuild(ENTRIES);
    await proveInclusion(new LogTiles(store.reader, scratch, () => {}), ENTRIES - 1, ENTRIES);
  });

  it('are without gaps, also where some are made anew while others are kept', async () => {
    await using place = await createPlace();
    const store = await openStore(place);
    await using _ = store;
    await fill(store);
    const scratch = new Scratch(store);
    await new LogTiles(store.reader, scratch, () => {}).keepFull(TILE_WIDTH);
    const [forgotten, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let rebuilt: Promise<void> | undefined;
    let isForgetting = false;
    const write: Scratch['write'] = async (work) => {
      const isFirst = rebuilt === undefined;
      isForgetting ||= !isFirst;
      // The first is of the tile behind the one that is there.
      rebuilt ??= tiles.rebuild(ENTRIES);
      await nextTurn();
      if (isFirst && isForgetting) await forgotten.promise;
      const result = await scratch.write(work);
      (isFirst ? written : forgotten).resolve();
      await written.promise;
      return result;
    };
    const tiles = new LogTiles(store.reader, { write } as Scratch, () => {});
    await tiles.keepFull(ENTRIES);
    await rebuilt;
    assert.equal(await countKeptTiles(store.reader, 2 * TILE_WIDTH), 2);
  });
});
