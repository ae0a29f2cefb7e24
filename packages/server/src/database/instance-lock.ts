import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

/** Held for the life of a control plane; whoever dies lets go of it. */
export interface InstanceLock extends AsyncDisposable {}

/** Another control plane runs on the same data. */
export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning';
}

const PATIENCE_MS = 3_000;
const RETRY_MS = 100;
/** "keyhold" as a number: the advisory lock of this database. */
const ADVISORY_LOCK = 0x6b6579686f6c;

/** Locks a data folder: an exclusive transaction on a file of its own, which the system ends with the process. */
export async function lockFolder(path: string): Promise<InstanceLock> {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA busy_timeout = 0');
  const take = async (): Promise<boolean> => {
    try {
      database.exec('BEGIN EXCLUSIVE');
      return true;
    } catch (error) {
      if ((error as { errcode?: number }).errcode === 5) return false;
      throw error;
    }
  };
  if (!(await untilTaken(take))) {
    database.close();
    throw new AlreadyRunning(`another Keyhold runs on this data folder (${path} is locked): stop it first`);
  }
  return { [Symbol.asyncDispose]: async () => database.close() };
}

/**
 * Locks a PostgreSQL database for this process. When the server restarts, the lock is taken again; who took it in
 * between has a later epoch, which fences this process.
 */
export async function lockPostgres(url: string): Promise<InstanceLock> {
  const holder = new AdvisoryLock(url);
  if (!(await untilTaken(() => holder.take()))) {
    await holder.release();
    throw new AlreadyRunning('another Keyhold runs on this PostgreSQL database: stop it first');
  }
  return { [Symbol.asyncDispose]: () => holder.release() };
}

class AdvisoryLock {
  readonly #url: string;
  #client: pg.Client | null = null;
  #released = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async take(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.#url, keepAlive: true });
    client.on('error', () => {});
    await client.connect();
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
      ADVISORY_LOCK,
    ]);
    if (rows[0]?.taken !== true) {
      await client.end();
      return false;
    }
    this.#client = client;
    client.on('end', () => this.#takeAgain());
    return true;
  }

  #takeAgain(): void {
    if (this.#released) return;
    this.#retry = setTimeout(() => {
      this.take().then(
        (taken) => taken || this.#takeAgain(),
        () => this.#takeAgain(),
      );
    }, RETRY_MS);
    this.#retry.unref();
  }

  async release(): Promise<void> {
    this.#released = true;
    clearTimeout(this.#retry);
    await this.#client?.end().catch(() => {});
  }
}

async function untilTaken(take: () => Promise<boolean>): Promise<boolean> {
  for (const start = performance.now(); ; ) {
    if (await take()) return true;
    if (performance.now() - start > PATIENCE_MS) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
