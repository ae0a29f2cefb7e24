import { LogTiles } from '../../packages/server/src/audit/log-tiles.ts';
import { systemClock } from '../../packages/server/src/clock.ts';
import { Scratch } from '../../packages/server/src/database/scratch.ts';
import { openSqlite, type Store } from '../../packages/server/src/database/store.ts';
import { Ledger, takeEpoch } from '../../packages/server/src/ledger/ledger.ts';
import { digestOfSide } from '../../packages/server/src/ledger/side.ts';
import { systemRandom } from '../../packages/server/src/random.ts';

/** The shipped ledger with the tiles of its log, on a database of its own, with nothing around it. */
export interface EntryLedger extends AsyncDisposable {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly tiles: LogTiles;
  /** Writes entries, each of which is durable, `writers` at a time; then its tiles are kept, as they are each second. */
  write(count: number, writers: number): Promise<void>;
}

export async function openEntryLedger(file: string): Promise<EntryLedger> {
  const store = await openSqlite(file);
  const { head } = await takeEpoch(store, systemRandom.newId);
  const ledger = new Ledger(
    {
      store,
      clock: systemClock,
      newId: systemRandom.newId,
      newSalt: () => Buffer.from(systemRandom.bytes(32)).toString('hex'),
      committed: () => {},
      recovered: async () => {},
      tampered: () => {},
    },
    head,
  );
  // In the clear: what encrypting a side costs is not what is measured here, and needs a whole vault.
  ledger.encryptSides((side) => {
    const row = { key_id: null, salt: side.salt, body: side.text };
    return { digest: digestOfSide(side), row, tokens: [] };
  });
  const tiles = new LogTiles(store.reader, new Scratch(store), () => {
    throw new Error('a tile was changed');
  });
  return {
    ...{ store, ledger, tiles },
    write: async (count, writers) => {
      let left = count;
      const writer = async () => {
        while (left-- > 0) await ledger.record(draftOf(left), async () => null);
      };
      await Promise.all(Array.from({ length: writers }, writer));
      await tiles.keepFull(ledger.head.sequence);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function draftOf(number: number) {
  const subject = `sec_${number}`;
  return {
    ...{ actor: 'tok_bench', action: 'secret.revealed', subject, side: { reason: 'a bench' } },
    evenWithoutChange: true as const,
  };
}
