import { type Child, startChild } from '../measure/child.ts';
import type { Load } from './generate-load.ts';

/** A load generator process of its own, so that its CPU time is not the measured process's. */
export interface LoadSource extends AsyncDisposable {
  /** Resolves when every request of the load was answered as expected. */
  send(load: Load): Promise<void>;
  /** Sends the load and returns requests per CPU-second of `target`. */
  perCpuSecond(target: Child<unknown>, load: Load): Promise<number>;
}

export async function startLoadSource(logFolder: string): Promise<LoadSource> {
  const child = await startChild({ script: 'load/generate-load.ts', logFolder });
  const send = async (load: Load) => void (await child.ask({ ask: 'load', load }));
  return {
    send,
    perCpuSecond: async (target, load) => {
      const before = await target.cpuSeconds();
      await send(load);
      return load.count / ((await target.cpuSeconds()) - before);
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
