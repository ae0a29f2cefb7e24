import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import { type Kysely, sql } from 'kysely';
import type { Database, FactTable, FactTables } from '../database/schema.ts';
import type { ChangedRow } from './facts.ts';
import { rowDigest } from './row-digest.ts';

const KIND_OF_TABLE: Readonly<Record<FactTable, IdKind>> = {
  projects: 'project',
  environments: 'environment',
  permission_settings: 'setting',
  consumers: 'consumer',
  keys: 'key',
  credentials: 'credential',
  signature_keys: 'signatureKey',
  signing_settings: 'signingSettings',
  key_rules: 'keyRules',
  address_books: 'addressBook',
  consumer_factors: 'factor',
  passkeys: 'passkey',
  tokens: 'token',
  workloads: 'workload',
  app_roles: 'appRole',
  app_role_secrets: 'appSecret',
  bootstrap_tokens: 'bootstrapToken',
  people: 'person',
  person_passkeys: 'personPasskey',
  person_passwords: 'personPassword',
  role_grants: 'roleGrant',
  invitations: 'invitation',
  sessions: 'session',
  policies: 'policy',
  custom_roles: 'customRole',
  approval_requests: 'approvalRequest',
  approvals: 'approval',
  break_glass: 'breakGlass',
  offboardings: 'offboarding',
  sign_ons: 'signOn',
  person_identities: 'identity',
  scim_users: 'scimUser',
  scim_groups: 'scimGroup',
  seals: 'seal',
  vault_keys: 'vaultKey',
  secrets: 'secret',
  secret_versions: 'secretVersion',
  secret_settings: 'secretSettings',
  deliveries: 'delivery',
  transit_keys: 'transitKey',
  transit_key_versions: 'transitKeyVersion',
  log_exports: 'logExport',
  log_keys: 'logKey',
  personal_keys: 'personalKey',
  period_keys: 'periodKey',
};

/** Every table of facts. */
export const FACT_TABLES = Object.keys(KIND_OF_TABLE) as readonly FactTable[];

/** A row that is what the ledger recorded, or the id of one that isn't. */
export type CheckedRow = ChangedRow | { readonly table: FactTable; readonly tampered: string };

/** The table that an id belongs to, or undefined. */
function tableOf(id: string): FactTable | undefined {
  const prefix = id.slice(0, id.indexOf('_'));
  return FACT_TABLES.find((table) => ID_PREFIXES[KIND_OF_TABLE[table]] === prefix);
}

/**
 * Up to `limit` rows of a table beyond the id `after`, each checked. Starts from what the ledger knows, so a row that
 * was deleted past it is found missing, and one that was slipped in is not found at all.
 */
export async function readChecked(
  db: Kysely<Database>,
  table: FactTable,
  after: string,
  limit: number,
): Promise<{ rows: CheckedRow[]; last: string | null }> {
  const prefix = ID_PREFIXES[KIND_OF_TABLE[table]];
  const start = after === '' ? `${prefix}_` : after;
  // '`' follows '_' in ASCII.
  const { rows } = await sql<Joined>`select t.*, h.row_id as head_id, h.digest as head_digest
    from row_heads h left join ${sql.table(table)} t on t.id = h.row_id
    where h.row_id > ${start} and h.row_id < ${`${prefix}\``} order by h.row_id limit ${limit}`.execute(db);
  return {
    rows: rows.flatMap((row) => check(table, row) ?? []),
    last: rows.length < limit ? null : (rows.at(-1)?.head_id ?? null),
  };
}

/** The rows of these tables with these ids, each checked, table by table. */
export async function readCheckedRows(
  db: Kysely<Database>,
  tables: readonly FactTable[],
  ids: readonly string[],
): Promise<CheckedRow[]> {
  const checked: CheckedRow[] = [];
  for (const table of tables) {
    const own = ids.filter((id) => tableOf(id) === table);
    for (let i = 0; i < own.length; i += 500) {
      const { rows } = await sql<Joined>`select t.*, h.row_id as head_id, h.digest as head_digest
        from row_heads h left join ${sql.table(table)} t on t.id = h.row_id
        where h.row_id in (${sql.join(own.slice(i, i + 500))})`.execute(db);
      checked.push(...rows.flatMap((row) => check(table, row) ?? []));
    }
  }
  return checked;
}

type Joined = { readonly head_id: string; readonly head_digest: string | null; readonly id: string | null } & Record<
  string,
  unknown
>;

/** Null for a row that the ledger knows to be gone. */
function check(table: FactTable, joined: Joined): CheckedRow | null {
  const { head_id, head_digest, ...row } = joined;
  const digest = row.id === null ? null : rowDigest(row as unknown as FactTables[FactTable]);
  if (digest === null && head_digest === null) return null;
  if (digest !== head_digest) return { table, tampered: head_id };
  return { table, row } as unknown as ChangedRow;
}
