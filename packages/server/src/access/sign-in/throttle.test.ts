import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Throttle } from './throttle.ts';

const MINUTE_S = 60;

describe('a throttle', () => {
  let now = 0;
  const clock = { wall: () => now, monotonic: () => now } as ConstructorParameters<typeof Throttle>[0];
  const lockOut = (throttle: Throttle, who: string) => {
    const answers = Array.from({ length: 10 }, () => throttle.failed(who));
    assert.deepEqual(answers, [...Array(9).fill(false), true]);
    return throttle.waitSeconds(who);
  };

  it('locks out for a quarter of an hour, each time for as long; one that grows, for twice as long up to a day', () => {
    for (const [isGrowing, minutes] of [
      [false, [15, 15, 15]],
      [true, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]],
    ] as const) {
      const throttle = new Throttle(clock, isGrowing);
      for (const wanted of minutes) {
        assert.equal(lockOut(throttle, 'one'), wanted * MINUTE_S);
        now += wanted * 60_000;
        assert.equal(throttle.waitSeconds('one'), null);
      }
      throttle.failed('one');
      throttle.succeeded('one');
      assert.equal(lockOut(throttle, 'one'), 15 * MINUTE_S);
      now += 24 * 3_600_000;
    }
  });

  it('that grows is not passed by nine in each window, nor grows by what is taken back', () => {
    const throttle = new Throttle(clock, true);
    for (let i = 0; i < 9; i++) throttle.failed('slow');
    now += 16 * 60_000;
    assert.equal(throttle.failed('slow'), true);
    for (let i = 0; i < 5; i++) {
      throttle.takeBack('slow');
      assert.equal(throttle.waitSeconds('slow'), null);
      throttle.failed('slow');
    }
    assert.equal(throttle.waitSeconds('slow'), 15 * MINUTE_S);
  });

  it('takes back what was no attempt, and forgets nobody who is locked out for those who are not', () => {
    const throttle = new Throttle(clock);
    for (let i = 0; i < 9; i++) throttle.failed('busy');
    throttle.takeBack('busy');
    throttle.failed('busy');
    assert.equal(throttle.waitSeconds('busy'), null);
    for (let i = 0; i < 10_000; i++) for (let j = 0; j < 10; j++) throttle.failed(`before ${i}`);
    now += 15 * 60_000;
    // Those are over, and keep nobody from being counted.
    lockOut(throttle, 'locked');
    for (let i = 0; i < 20_000; i++) throttle.failed(`stranger ${i}`);
    assert.equal(throttle.waitSeconds('locked'), 15 * MINUTE_S);
  });
});
