import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { rootOf } from '@keyhold/protocol/log/merkle';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import { Scratch } from '../database/scratch.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { PRUNED_ACTION, prunedUpTo } from '../ledger/pruned.store.ts';
import { sha256 } from '../ledger/tree.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { enterMany } from '../testing/many-entries.ts';
import { openOwnVault, type OwnVault } from '../testing/own-vault.ts';
import { Turns } from '../vault/turns.ts';
import type { TransparencyLog } from './log.ts';
import { forgetTiles } from './log.store.ts';
import { LogTiles } from './log-tiles.ts';
import { pruneLog } from './prune-log.ts';
import { rootOfEntries } from './root-of-entries.ts';

const LIVED = { latest: () => Date.now() };

/** A log over such a vault, as far as it is needed to give entries up. */
function logOver({ store }: OwnVault): TransparencyLog {
  const tiles = new LogTiles(store.reader, new Scratch(store), () => {});
  return { tiles, prunings: new Turns(), covering: async () => ({}) } as unknown as TransparencyLog;
}

/** Gives everything up, where something happens between the last look and the entry. */
async function pruneWhile(own: OwnVault, meanwhile: () => Promise<unknown>, log = logOver(own)) {
  const { vault, store } = own;
  const record = async (...[draft, change]: Parameters<Ledger['record']>) => {
    if (draft.action === PRUNED_ACTION) await meanwhile();
    return await vault.ledger.record(draft, change);
  };
  const ledger = { head: vault.ledger.head, record } as Ledger;
  return await pruneLog(
    { vault: { ...vault, ledger }, store, log, livedTime: LIVED },
    { actor: 'system' },
    Number.MAX_SAFE_INTEGER,
  );
}

onEachDatabase('giving entries up', (createPlace) => {
  it('is done by one at a time', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    await enterMany(own.vault.ledger, TILE_WIDTH);
    const log = logOver(own);
    let second: ReturnType<typeof pruneLog> | undefined;
    let [hasBegun, begunMeanwhile] = [false, false];
    const pruning = { log, store: own.store, vault: own.vault, livedTime: LIVED };
    const watched = Object.defineProperty({ ...pruning }, 'vault', {
      get: () => {
        hasBegun = true;
        return own.vault;
      },
    });
    const first = await pruneWhile(
      own,
      async () => {
        second = pruneLog(watched, { actor: 'system' }, Number.MAX_SAFE_INTEGER);
        await nextTurn();
        begunMeanwhile = hasBegun;
      },
      log,
    );
    assert.ok('upTo' in first && first.upTo === TILE_WIDTH && first.sequence !== null, JSON.stringify(first));
    assert.equal(begunMeanwhile, false);
    assert.deepEqual(await second, { upTo: TILE_WIDTH, count: 0, heldBy: null, sequence: null });
  });

  it('holes no root that is made of the entries meanwhile', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    for (let i = 0; i < 3; i++) await enterMany(own.vault.ledger, 10 * TILE_WIDTH);
    const { head } = own.vault.ledger;
    const expected = rootOf(sha256, head.tree);
    const roots: Promise<Uint8Array>[] = [];
    const pruned = await pruneWhile(own, async () => void roots.push(rootOfEntries(own.store.reader, head.sequence)));
    assert.ok('upTo' in pruned && pruned.upTo >= 30 * TILE_WIDTH, JSON.stringify(pruned));
    for (const root of await Promise.all(roots)) assert.deepEqual(Buffer.from(root), Buffer.from(expected));
    assert.deepEqual(Buffer.from(await rootOfEntries(own.store.reader, head.sequence)), Buffer.from(expected));
  });

  it('is refused where as many were given up meanwhile, or their hashes are being made anew', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { vault, store } = own;
    await enterMany(vault.ledger, TILE_WIDTH);
    const kept = async () => (await store.reader.selectFrom('entries').select('sequence').execute()).length;
    const before = await kept();

    const rebuilt = await pruneWhile(own, () => new Scratch(store).write((tables) => forgetTiles(tables, 0)));
    assert.equal('refused' in rebuilt && rebuilt.refused, 'ATTEMPT_OVER');
    assert.ok((await kept()) >= before, 'nothing is gone');

    const code = `up-to-${TILE_WIDTH}`;
    const given = { actor: 'system', action: PRUNED_ACTION, subject: 'somebody-else', code } as const;
    const late = await pruneWhile(own, () =>
      vault.ledger.record({ ...given, evenWithoutChange: true }, async () => null),
    );
    assert.equal('refused' in late && late.refused, 'ATTEMPT_OVER');
    const newest = await prunedUpTo(store.reader);
    assert.equal(newest.upTo, TILE_WIDTH);

    // As two at once of an earlier Keyhold left it.
    await enterMany(vault.ledger, TILE_WIDTH);
    const smaller = { ...given, code: 'up-to-0', evenWithoutChange: true } as const;
    await vault.ledger.record(smaller, async () => null);
    assert.deepEqual(await prunedUpTo(store.reader), newest);
  });
});
