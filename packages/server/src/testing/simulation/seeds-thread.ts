import { parentPort } from 'node:worker_threads';
import { BUGS } from './bugs.ts';
import { runSeeds } from './run-seeds.ts';
import type { Seeds } from './seeds-worker.ts';

parentPort?.on('message', ({ from, count, bug, stopAtFirst }: Seeds) => {
  void runSeeds(from, count, bug === undefined ? {} : BUGS[bug], stopAtFirst).then((found) =>
    parentPort?.postMessage(found),
  );
});
