import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Found } from './run-seeds.ts';

export interface Seeds {
  readonly from: number;
  readonly count: number;
  /** Name of one that is planted. */
  readonly bug?: string;
  readonly stopAtFirst?: boolean;
}

/**
 * Runs schedules in a thread of its own. `node:test` watches every promise of the thread that it runs in, which makes a
 * simulation, that is nothing but promises, take eight times as long.
 */
export class SeedsWorker implements AsyncDisposable {
  readonly #worker = new Worker(new URL('./seeds-thread.ts', import.meta.url));

  /** One call at a time. */
  async run(seeds: Seeds): Promise<Found> {
    this.#worker.postMessage(seeds);
    const [found] = (await once(this.#worker, 'message')) as [Found];
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
