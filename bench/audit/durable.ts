import { join } from 'node:path';
import { alternate, median, ownCpuSeconds, sized } from '../measure/alternate.ts';
import { compared, publish } from '../measure/figure.ts';
import { temporaryFolder } from '../measure/place.ts';
import { copyDatabase } from '../sql/replay.ts';
import { openEntryLedger } from './entry-ledger.ts';
import { RawCommits } from './raw-commits.ts';

/**
 * Entries per CPU-second, each acknowledged when it is durable and in the tree, with the tiles that proofs are made
 * of, so many writers at a time; against the same rows in groups of as many, a synced transaction each.
 */
export async function measureDurable(writers: number): Promise<void> {
  const entries = writers * sized(Math.round(20_000 / writers), 20);
  using folder = temporaryFolder();
  const copy = join(folder.path, 'copy.db');
  await using source = await openEntryLedger(join(folder.path, 'ledger.db'));
  await source.write(entries, writers);
  copyDatabase(join(folder.path, 'ledger.db'), copy);
  using raw = new RawCommits(copy, writers);
  const sides = {
    ledger: async () => {
      const before = ownCpuSeconds();
      await source.write(entries, writers);
      return entries / (ownCpuSeconds() - before);
    },
    rows: async () => {
      raw.prepare();
      const before = ownCpuSeconds();
      return raw.run() / (ownCpuSeconds() - before);
    },
  };
  for (const warmUp of Object.values(sides)) await warmUp();
  const { ledger, rows } = await alternate(sides);
  publish(
    compared(`audit-durable-${writers}`, 'durable entries in the tree per CPU-second', median(ledger), median(rows), [
      `${entries} entries a run, tiles kept; the yardstick: the same rows of entries and sides, ${writers} a commit`,
    ]),
  );
}
