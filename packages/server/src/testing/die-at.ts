import { Scratch } from '../database/scratch.ts';
import { Writer } from '../database/writer.ts';
import type { DeathStage } from './die-at-module.ts';

/** Loaded before the server's entry by tests that want it dead at one certain place; see `die-at-module.ts`. */
const settings = new URL(import.meta.url).searchParams;
const STAGE = settings.get('stage') as DeathStage;
let left = Number(settings.get('after'));

function reach(stage: DeathStage): void {
  if (stage === STAGE && --left <= 0) process.kill(process.pid, 'SIGKILL');
}

const transaction = Writer.prototype.transaction;
Writer.prototype.transaction = async function <T>(
  this: Writer,
  work: Parameters<typeof transaction<T>>[0],
): Promise<T> {
  const result = await transaction.call(this, async (connection) => {
    const made = await work(connection);
    reach('before-commit');
    // By then COMMIT is on its way; with SQLite it is done.
    setImmediate(() => reach('commit-sent'));
    return made;
  });
  reach('committed');
  return result as T;
};

const write = Scratch.prototype.write;
Scratch.prototype.write = async function <T>(this: Scratch, work: Parameters<typeof write<T>>[0]): Promise<T> {
  reach('before-keeping');
  const result = await write.call(this, work);
  reach('kept');
  return result as T;
};
