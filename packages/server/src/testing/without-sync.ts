// Loaded before the server's entry by the test that has to find this out: a store that acknowledges without syncing.
import { DatabaseSync } from 'node:sqlite';

const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql: string) {
  return exec.call(this, sql.replace('synchronous = FULL', 'synchronous = OFF'));
};
