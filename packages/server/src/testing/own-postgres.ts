import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { POSTGRES_URL } from './postgres.ts';
import { freePort } from './processes.ts';

/** A PostgreSQL for one test, which may crash it and start it again on the same data and port. */
export interface OwnPostgres extends AsyncDisposable {
  readonly url: string;
  /** As `pg_ctl stop -m immediate`: nothing is flushed, clients are cut off. */
  crash(): Promise<void>;
  start(): Promise<void>;
}

const READY = 'database system is ready to accept connections';

/** @param settings of the server, such as `fsync=off` */
export async function startOwnPostgres(settings: readonly string[] = []): Promise<OwnPostgres> {
  const { programs, uid, gid } = await likeTheTestServer();
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-postgres-'));
  chmodSync(folder, 0o755);
  chownSync(folder, uid, gid);
  const [data, port] = [join(folder, 'data'), await freePort()];
  const init = ['-D', data, '-U', 'keyhold', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await promisify(execFile)(join(programs, 'initdb'), init, { uid, gid });
  const flags = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=50', ...settings];
  let server: ChildProcess | undefined;
  const start = async () => {
    const args = ['-D', data, '-p', String(port), ...flags.flatMap((flag) => ['-c', flag])];
    server = spawn(join(programs, 'postgres'), args, { uid, gid, stdio: ['ignore', 'ignore', 'pipe'] });
    await untilReady(server);
  };
  // SIGQUIT: an immediate shutdown (PostgreSQL manual, "Shutting Down the Server").
  const crash = async () => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill('SIGQUIT');
    await gone;
  };
  await start();
  return {
    url: `postgres://keyhold@127.0.0.1:${port}/postgres`,
    crash,
    start,
    [Symbol.asyncDispose]: async () => {
      await crash();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The programs of the server that tests use anyway, and the user that it runs as: root may not run it. */
async function likeTheTestServer(): Promise<{ programs: string; uid: number; gid: number }> {
  const client = new pg.Client({ connectionString: POSTGRES_URL });
  await client.connect();
  try {
    const { rows } = await client.query(
      `select setting as programs, current_setting('data_directory') as data from pg_config() where name = 'BINDIR'`,
    );
    const { programs, data } = rows[0] as { programs: string; data: string };
    const { uid, gid } = statSync(data);
    return { programs, uid, gid };
  } finally {
    await client.end();
  }
}

async function untilReady(server: ChildProcess): Promise<void> {
  let log = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on('data', (chunk: Buffer) => {
      log = (log + String(chunk)).slice(-10_000);
      if (log.includes(READY)) resolve();
    });
    server.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)));
  });
}
