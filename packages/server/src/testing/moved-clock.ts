import { systemClock } from '../clock.ts';

/** Moves this process's clocks ahead, until disposed. */
export function moveClock(ms: number): Disposable {
  const clock = systemClock as { wall: () => number; monotonic: () => number };
  const { wall, monotonic } = clock;
  clock.wall = () => wall() + ms;
  clock.monotonic = () => monotonic() + ms;
  return {
    [Symbol.dispose]: () => {
      clock.wall = wall;
      clock.monotonic = monotonic;
    },
  };
}
