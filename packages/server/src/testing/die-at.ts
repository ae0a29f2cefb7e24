import { Scratch } from '../database/scratch.ts';
import { Writer } from '../database/writer.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { DeathStage } from './die-at-module.ts';

/** Loaded before the server's entry by tests that want it dead at one certain place; see `die-at-module.ts`. */
const settings = new URL(import.meta.url).searchParams;
const STAGE = settings.get('stage') as DeathStage;
let left = Number(settings.get('after'));
const ACTION = settings.get('action');
let entriesLeft = ACTION === null ? 0 : Number(settings.get('nth'));

function reach(stage: DeathStage): void {
  if (entriesLeft <= 0 && stage === STAGE && --left <= 0) process.kill(process.pid, 'SIGKILL');
}

const record = Ledger.prototype.record;
Ledger.prototype.record = function <T>(this: Ledger, ...[draft, change]: Parameters<typeof record<T>>) {
  return record.call(this, draft, async (facts) => {
    if (draft.action === ACTION) entriesLeft--;
    return await change(facts);
  }) as ReturnType<typeof record<T>>;
};

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
