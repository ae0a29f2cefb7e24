import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_STALE_MS } from '@keyhold/protocol/feed';
import { Leases } from '@keyhold/verifier/leases';
import { MachineClock, VirtualTime } from '../testing/simulation/virtual-time.ts';
import { LeaseBook } from './lease-book.ts';

const LEASE = { environment: 'env_1', seconds: 300 } as const;
/** Two clocks' rates differ by at most 1 %. */
const RATES = [0.99, 1, 1.01];

it('remembers whoever may serve stale until he has stopped, whichever of two clocks is the slow one', () => {
  for (const [mine, theirs] of RATES.map((rate) => [1, 1 / rate] as const)) {
    const time = new VirtualTime();
    const [clock, verifiers] = [new MachineClock(time, mine, 0), new MachineClock(time, theirs, 0)];
    const [book, leases] = [new LeaseBook(clock), new Leases(verifiers)];
    leases.granted(leases.ask(), 1, [LEASE], 1);
    book.granted('ver_1', [{ ...LEASE, afterLease: 'serve' }]);
    const servesStale = () => leases.servesStale(LEASE.environment, verifiers.monotonic(), verifiers.wall());
    let steps = 0;
    for (; servesStale(); steps++) {
      assert.deepEqual(book.forgetGone(), [], `forgotten after ${time.now} ms, at a rate of ${theirs}`);
      time.step(time.now + 1_000);
    }
    assert.ok(steps > MAX_STALE_MS / 1_100);
    time.step(time.now * 1.03);
    assert.deepEqual(book.forgetGone(), ['ver_1']);
  }
});

it('forgets whoever refuses after his lease once that is over', () => {
  const time = new VirtualTime();
  const book = new LeaseBook(new MachineClock(time, 1, 0));
  book.granted('ver_1', [{ ...LEASE, afterLease: 'refuse' }]);
  time.step(LEASE.seconds * 1_010);
  assert.deepEqual(book.forgetGone(), []);
  time.step(time.now + 250);
  assert.deepEqual(book.forgetGone(), ['ver_1']);
});
