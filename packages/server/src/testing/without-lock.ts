// Loaded before the server's entry by the test in which two control planes run on one database all the same.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql: string) {
  if (sql !== 'BEGIN EXCLUSIVE') exec.call(this, sql);
};

const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  const given =
    typeof args[0] === 'string' ? args[0].replace(/pg_try_advisory_lock\(\$1\)/, '$1::bigint > 0') : args[0];
  return query.apply(this, [given, ...args.slice(1)] as never);
} as typeof query;
