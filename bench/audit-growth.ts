// What an entry costs in a log of a million entries against one in a log of ten thousand: entries per CPU-second,
// durable and in the tree, with the tiles kept and one inclusion proof made for every ten.
import { join } from 'node:path';
import { proveInclusion } from '../packages/server/src/audit/prove.ts';
import { openEntryLedger } from './audit/entry-ledger.ts';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const WRITERS = 256;
const ENTRIES = 2_048;
const PROOFS = ENTRIES / 10;
const SIZES = { small: sized(10_000, 1_000), middle: sized(100_000, 4_000), large: sized(1_000_000, 16_000) };

using folder = temporaryFolder();
await using stack = new AsyncDisposableStack();

async function prepare(size: number): Promise<() => Promise<number>> {
  const source = stack.use(await openEntryLedger(join(folder.path, `${size}.db`)));
  for (let left = size; left > 0; left -= 50_000) await source.write(Math.min(left, 50_000), WRITERS);
  return async () => {
    const before = ownCpuSeconds();
    await source.write(ENTRIES, WRITERS);
    const { sequence } = source.ledger.head;
    for (let i = 0; i < PROOFS; i++) await proveInclusion(source.tiles, (i * 7_919) % sequence, sequence);
    return ENTRIES / (ownCpuSeconds() - before);
  };
}

const sides = {
  small: await prepare(SIZES.small),
  middle: await prepare(SIZES.middle),
  large: await prepare(SIZES.large),
};
for (const warmUp of Object.values(sides)) await warmUp();
const { small, middle, large } = await alternate(sides);
publish(
  compared('audit-growth', `entries per CPU-second in a log of ${SIZES.large}`, median(large), median(small), [
    `in a log of ${SIZES.middle}: ${Math.round(median(middle))}; the yardstick: in one of ${SIZES.small}`,
  ]),
);
