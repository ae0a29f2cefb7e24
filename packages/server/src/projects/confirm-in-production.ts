import type { Refusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Principal } from '../access/principal.ts';
import type { Database } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';

interface Asking {
  readonly principal: Principal;
  readonly confirm: () => Promise<Refusal | null>;
}

/** Null once a person has confirmed what he asks for, where the environment is one of production. */
export async function confirmInProduction(
  reader: Kysely<Database>,
  { principal, confirm }: Asking,
  environmentId: string,
): Promise<Refusal | null> {
  // Until there are people nobody asks it of tokens, and nothing has to be read for them.
  if (principal.kind === 'service' && !principal.judge.bindsServices) return null;
  if (!(await isProduction(reader, environmentId))) return null;
  return await confirm();
}

/** In doubt it is: a row that was written past the ledger must not make critical harmless. */
async function isProduction(reader: Kysely<Database>, environmentId: string): Promise<boolean> {
  const [checked] = await readCheckedRows(reader, ['environments'], [environmentId]);
  if (checked === undefined || 'tampered' in checked || checked.table !== 'environments') return true;
  return checked.row.kind === 'production';
}
