// Inclusion proofs per CPU-second, of entries anywhere in a log: made by the shipped code, which verifies each before
// it gives it away; and, for comparison, verified alone, as whoever holds a receipt does.
import { join } from 'node:path';
import { verifyInclusion } from '../packages/protocol/src/log/merkle-proofs.ts';
import { type ProvenInclusion, proveInclusion } from '../packages/server/src/audit/prove.ts';
import { sha256 } from '../packages/server/src/ledger/tree.ts';
import { openEntryLedger } from './audit/entry-ledger.ts';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const ENTRIES = sized(100_000, 3_000);
const PROOFS = sized(1_000, 300);

using folder = temporaryFolder();
await using source = await openEntryLedger(join(folder.path, 'ledger.db'));
await source.write(ENTRIES, 256);
const { tiles } = source;
const size = source.ledger.head.sequence;
/** A stride that shares no factor with the size, so that they lie everywhere. */
const indexes = Array.from({ length: PROOFS }, (_, i) => (i * 7_919) % size);
const proven: ProvenInclusion[] = [];
for (const index of indexes) proven.push(await proveInclusion(tiles, index, size));

const perCpuSecond = async (work: () => Promise<void> | void) => {
  const before = ownCpuSeconds();
  await work();
  return PROOFS / (ownCpuSeconds() - before);
};
const sides = {
  made: () =>
    perCpuSecond(async () => {
      for (const index of indexes) await proveInclusion(tiles, index, size);
    }),
  verified: () =>
    perCpuSecond(() => {
      for (const [i, { proof, ...claim }] of proven.entries()) {
        const index = indexes[i] as number;
        if (!verifyInclusion(sha256, { index, size, ...claim }, proof)) throw new Error('it does not verify');
      }
    }),
};
for (const warmUp of Object.values(sides)) await warmUp();
const { made, verified } = await alternate(sides);
publish(
  compared('audit-proofs', 'inclusion proofs made and verified per CPU-second', median(made), median(verified), [
    `of ${size} entries; the yardstick: verified alone`,
  ]),
);
