import { systemClock } from '../clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Moves this process's clocks ahead, until disposed.
 * @param monotonicMs where the wall clock is put ahead and that time was not lived
 */
export function moveClock(ms: number, monotonicMs = ms): Disposable {
  const clock = systemClock as { wall: () => number; monotonic: () => number };
  const { wall, monotonic } = clock;
  clock.wall = () => wall() + ms;
  clock.monotonic = () => monotonic() + monotonicMs;
  return {
    [Symbol.dispose]: () => {
      clock.wall = wall;
      clock.monotonic = monotonic;
    },
  };
}

/** Has what this process does each hour done after a moment, until disposed; tells how often. */
export function hurryHours(): Hurried {
  return hurry(HOUR_MS);
}

/** The same with what it does each minute. */
export function hurryMinutes(): Hurried {
  return hurry(MINUTE_MS);
}

interface Hurried extends Disposable {
  readonly passed: number;
}

function hurry(every: number): Hurried {
  const clock = systemClock as { after: typeof systemClock.after };
  const { after } = clock;
  let passed = 0;
  clock.after = (ms, action) => {
    if (ms !== every) return after(ms, action);
    return after(20, () => {
      passed++;
      action();
    });
  };
  return {
    get passed() {
      return passed;
    },
    [Symbol.dispose]: () => {
      clock.after = after;
    },
  };
}
