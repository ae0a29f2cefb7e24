// Nonces checked per CPU-second with a million live ones, time moving on, against a `Map<string, number>`.
import { alternate, median, ownCpuSeconds, sized } from './measure/alternate.ts';
import { compared, publish } from './measure/figure.ts';
import { bareMap, digests, LIVE, Loaded, ownMemory } from './replay/memories.ts';

const NONCES = sized(1_000_000, 50_000);
const PER_READING = 50_000;

const [own, bare] = [new Loaded(ownMemory()), new Loaded(bareMap())];
const sides = { memory: () => measure(own), map: () => measure(bare) };
for (const warmUp of Object.values(sides)) await warmUp();
const { memory, map } = await alternate(sides);
const note = `${own.memory.size} live here, ${bare.memory.size} in the map; ${LIVE} meant, a bucket late at most`;
publish(compared('replay-memory', 'nonces checked per CPU-second', median(memory), median(map), [note]));

/** Checks per CPU-second; making the nonces is not counted, what the collector does about them is, on both sides. */
async function measure(loaded: Loaded): Promise<number> {
  let [spent, checks] = [0, 0];
  for (let done = 0; done < NONCES; done += PER_READING) {
    const fresh = digests(PER_READING);
    const before = ownCpuSeconds();
    checks += loaded.check(fresh);
    spent += ownCpuSeconds() - before;
  }
  return checks / spent;
}
