import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** The PostgreSQL that `npm test` started; undefined when it could not be had. */
export const POSTGRES_URL: string | undefined = process.env['KEYHOLD_TEST_POSTGRES'];

/** Makes an empty database for one test and drops it afterwards. */
export async function createTestDatabase(): Promise<{ url: string } & AsyncDisposable> {
  if (POSTGRES_URL === undefined) throw new Error('KEYHOLD_TEST_POSTGRES is not set: run the tests through npm test');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(`create database ${name}`);
  const url = new URL(POSTGRES_URL);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => administer(`drop database if exists ${name} with (force)`),
  };
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: POSTGRES_URL });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
