import { type Kysely, sql } from 'kysely';
import type { Dialect } from './dialect.ts';
import { foundation } from './migrations/0001-foundation.ts';
import { vault } from './migrations/0002-vault.ts';
import { auditLog } from './migrations/0003-audit-log.ts';
import { signedRequests } from './migrations/0004-signed-requests.ts';
import { quotaSlices } from './migrations/0005-quota-slices.ts';
import { passkeys } from './migrations/0006-passkeys.ts';
import { workloads } from './migrations/0007-workloads.ts';
import { people } from './migrations/0008-people.ts';
import { policies } from './migrations/0009-policies.ts';
import { customRoles } from './migrations/0010-custom-roles.ts';
import { approvals } from './migrations/0011-approvals.ts';
import { breakGlass } from './migrations/0012-break-glass.ts';
import { offboarding } from './migrations/0013-offboarding.ts';
import { signOn } from './migrations/0014-sign-on.ts';
import { scim } from './migrations/0015-scim.ts';
import { appRoles } from './migrations/0016-app-roles.ts';
import { passwords } from './migrations/0017-passwords.ts';
import { tileSubtrees } from './migrations/0018-tile-subtrees.ts';
import { livedTime } from './migrations/0019-lived-time.ts';
import { deliveriesBySubject } from './migrations/0020-deliveries-by-subject.ts';
import { deliveriesByEnvironment } from './migrations/0021-deliveries-by-environment.ts';
import { listedTokens } from './migrations/0022-listed-tokens.ts';
import { searchedByTime } from './migrations/0023-searched-by-time.ts';
import { whatIsStillHeld } from './migrations/0024-what-is-still-held.ts';
import { destroyedKeys } from './migrations/0025-destroyed-keys.ts';
import type { Database } from './schema.ts';

/** In order; a number never changes its meaning once released. */
const MIGRATIONS: readonly (readonly string[])[] = [
  foundation,
  vault,
  auditLog,
  signedRequests,
  quotaSlices,
  passkeys,
  workloads,
  people,
  policies,
  customRoles,
  approvals,
  breakGlass,
  offboarding,
  signOn,
  scim,
  appRoles,
  passwords,
  tileSubtrees,
  livedTime,
  deliveriesBySubject,
  deliveriesByEnvironment,
  listedTokens,
  searchedByTime,
  whatIsStillHeld,
  destroyedKeys,
];

/**
 * Brings the schema up to date, each migration in one transaction.
 * @throws when the database was written by a newer Keyhold.
 */
export async function migrate(db: Kysely<Database>, dialect: Dialect): Promise<void> {
  await db.connection().execute(async (connection) => {
    await sql`create table if not exists schema_version (version integer not null)`.execute(connection);
    const { rows } = await sql<{ version: number | null }>`select max(version) as version from schema_version`.execute(
      connection,
    );
    const current = rows[0]?.version ?? 0;
    if (current > MIGRATIONS.length) {
      throw new Error(
        `the database has schema version ${current}; this Keyhold knows ${MIGRATIONS.length}: upgrade it`,
      );
    }
    for (let version = current + 1; version <= MIGRATIONS.length; version++) {
      await dialect.begin(connection);
      for (const statement of MIGRATIONS[version - 1] as readonly string[]) {
        await sql.raw(dialect.ddl(statement)).execute(connection);
      }
      await sql`insert into schema_version (version) values (${version})`.execute(connection);
      await sql`commit`.execute(connection);
    }
  });
}
