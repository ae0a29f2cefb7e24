// Entries of a downloaded log verified per CPU-second: its root made anew from the bytes of every entry, which takes
// two hashes an entry, one of the leaf and one of a node over it; against one `crypto.hash` of the same bytes to bytes.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { appendLeaves, EMPTY_FRONTIER, isSameHash, leafHash, rootOf } from '../packages/protocol/src/log/merkle.ts';
import { bundleOf, entriesOf, TILE_WIDTH } from '../packages/protocol/src/log/tile.ts';
import { leavesBetween } from '../packages/server/src/ledger/entries.store.ts';
import { sha256 } from '../packages/server/src/ledger/tree.ts';
import { openEntryLedger } from './audit/entry-ledger.ts';
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';
import { temporaryFolder } from './measure/place.ts';

const ENTRIES = sized(100_000, 3_000);

using folder = temporaryFolder();
await using source = await openEntryLedger(join(folder.path, 'ledger.db'));
await source.write(ENTRIES, 256);
const { tree } = source.ledger.head;
const root = rootOf(sha256, tree);
const bundles: Uint8Array[] = [];
for (let at = 0; at < tree.size; at += TILE_WIDTH) {
  const page = await leavesBetween(source.store.reader, at, at + TILE_WIDTH);
  bundles.push(bundleOf(page.map(({ leaf }) => Buffer.from(leaf))));
}
const bytes = bundles.reduce((sum, { length }) => sum + length, 0);

const perCpuSecond = (work: () => void) => async () => {
  const before = ownCpuSeconds();
  work();
  return tree.size / (ownCpuSeconds() - before);
};
const sides = {
  verified: perCpuSecond(() => {
    let made = EMPTY_FRONTIER;
    for (const bundle of bundles) {
      const entries = entriesOf(bundle) as Uint8Array[];
      made = appendLeaves(
        sha256,
        made,
        entries.map((entry) => leafHash(sha256, entry)),
      );
    }
    if (made.size !== tree.size || !isSameHash(rootOf(sha256, made), root)) throw new Error('it does not verify');
  }),
  hashed: perCpuSecond(() => {
    for (const bundle of bundles) {
      for (const entry of entriesOf(bundle) as Uint8Array[]) hash('sha256', entry, 'buffer');
    }
  }),
  asText: perCpuSecond(() => {
    for (const bundle of bundles) for (const entry of entriesOf(bundle) as Uint8Array[]) hash('sha256', entry);
  }),
};
for (const warmUp of Object.values(sides)) await warmUp();
const { verified, hashed, asText } = await alternate(sides);
publish(
  compared('audit-verify', 'entries verified against the root per CPU-second', median(verified), median(hashed), [
    `${tree.size} entries of ${Math.round(bytes / tree.size)} bytes; chain and row digests are checked apart from this`,
    `against hashes as hexadecimal text, which Node makes in half the time: ${Math.round(median(asText))}`,
  ]),
);
