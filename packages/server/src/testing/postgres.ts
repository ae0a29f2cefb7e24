import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { openPostgres } from '../database/store.ts';

/** The PostgreSQL that `npm test` started; undefined when it could not be had. */
export const POSTGRES_URL: string | undefined = process.env['KEYHOLD_TEST_POSTGRES'] || undefined;

/** An empty database with every migration, which the others are copies of: that is ten times as fast as to migrate each. */
const MIGRATED = 'test_migrated';
/** Of the lock that is held while that one is made. */
const MIGRATING = 7_070;

/** Makes a database with nothing in its tables for one test, and drops it afterwards. */
export async function createTestDatabase(): Promise<{ url: string } & AsyncDisposable> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(async (client) => {
    await ensureMigrated(client);
    await client.query(`create database ${name} template ${MIGRATED}`);
  });
  return {
    url: urlOf(name),
    [Symbol.asyncDispose]: () =>
      administer(async (client) => {
        await client.query(`drop database if exists ${name} with (force)`);
      }),
  };
}

/** Keeps a test's database as it is, to be put back in its place. */
export async function copyTestDatabase(url: string): Promise<{ putBack(): Promise<void> } & AsyncDisposable> {
  const name = new URL(url).pathname.slice(1);
  const copy = `${name}_kept`;
  await administer(async (client) => void (await client.query(`create database ${copy} template ${name}`)));
  return {
    putBack: () =>
      administer(async (client) => {
        await client.query(`drop database ${name} with (force)`);
        await client.query(`create database ${name} template ${copy}`);
      }),
    [Symbol.asyncDispose]: () =>
      administer(async (client) => {
        await client.query(`drop database ${copy} with (force)`);
      }),
  };
}

/** Whichever test asks first, in whichever process, makes it; it has its name once it is whole. */
async function ensureMigrated(client: pg.Client): Promise<void> {
  const isThere = async () => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [MIGRATED]);
    return rowCount === 1;
  };
  if (await isThere()) return;
  await client.query('select pg_advisory_lock($1)', [MIGRATING]);
  if (!(await isThere())) {
    await client.query(`drop database if exists ${MIGRATED}_soon with (force)`);
    await client.query(`create database ${MIGRATED}_soon`);
    await (await openPostgres(urlOf(`${MIGRATED}_soon`)))[Symbol.asyncDispose]();
    await client.query(`alter database ${MIGRATED}_soon rename to ${MIGRATED}`);
  }
  await client.query('select pg_advisory_unlock($1)', [MIGRATING]);
}

function urlOf(name: string): string {
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return url.href;
}

function serverUrl(): string {
  if (POSTGRES_URL === undefined) throw new Error('KEYHOLD_TEST_POSTGRES is not set: run the tests through npm test');
  return POSTGRES_URL;
}

async function administer(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl() });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
