import { parentPort } from 'node:worker_threads';
import { runSeeds } from '@keyhold/server/testing/simulation/run-seeds';

parentPort?.on('message', ({ from, count }: { from: number; count: number }) => {
  void runSeeds(from, count).then((found) => parentPort?.postMessage(found));
});
