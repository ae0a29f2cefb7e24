// Loaded before the server's entry by the test in which the wall clock steps back: by a day at each SIGUSR2.
import { systemClock } from '../clock.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

let behindMs = 0;
const wall = systemClock.wall.bind(systemClock);
(systemClock as { wall: () => number }).wall = () => wall() - behindMs;
process.on('SIGUSR2', () => {
  behindMs += DAY_MS;
});
