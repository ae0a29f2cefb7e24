// Memory per live nonce, a million of them under a steady load, against a `Map<string, number>`.
import { compared, publish } from './measure/figure.ts';
import { heldBytes } from './measure/held-bytes.ts';
import { bareMap, LIVE, Loaded, type Memory, ownMemory } from './replay/memories.ts';

const own = bytesEach(ownMemory);
const bare = bytesEach(bareMap);
publish(compared('replay-bytes', 'bytes per live nonce', own, bare));

function bytesEach(make: () => Memory): number {
  const before = heldBytes();
  const loaded = new Loaded(make());
  const bytes = heldBytes() - before;
  // Times are rounded, so that a thousandth may be over early.
  if (loaded.memory.size < LIVE * 0.998) throw new Error('it holds fewer than are live');
  return bytes / LIVE;
}
