import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Factor } from '@keyhold/protocol/operations/factors';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import { readCreatedPasskey } from '../access/verify-passkey.ts';
import type { Kysely } from 'kysely';
import type { PasskeyRow } from '../database/factor-rows.ts';
import type { Database } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { notUnconfirmed, showFactor } from './factor.ts';
import { findPasskeyId, type PlacedFactor } from './factors.store.ts';
import { factorEntry, noFactor } from './open-factor.ts';

interface Reading {
  readonly reader: Kysely<Database>;
  readonly tampered: (rowId: string) => void;
}

/** Confirms that a device of the consumer has made the passkey: from now on it counts. */
export async function confirmPasskey(
  context: ChangeContext & Reading,
  caller: Caller,
  placed: PlacedFactor,
  response: RegistrationResponseJSON,
): Promise<{ factor: Factor; sequence: number } | Refusal> {
  if (placed.state !== 'unconfirmed' || placed.kind !== 'passkey') return notUnconfirmed(placed);
  const passkey = await readPasskeyRow(context, placed.id);
  if (isRefusal(passkey)) return passkey;
  const made = await readCreated(passkey, response);
  if (isRefusal(made)) return made;
  const names = { project: placed.project_slug, environment: placed.environment_name };
  const draft = { ...factorEntry(caller, placed), action: 'factor.confirmed' };
  const recorded = await context.ledger.record(draft, async (facts) => {
    const row = await facts.find('consumer_factors', placed.id);
    const beside = await facts.find('passkeys', passkey.id);
    if (row === undefined || beside === undefined) return noFactor(placed.id);
    if (row.state !== 'unconfirmed') return notUnconfirmed(row);
    await facts.update('passkeys', beside, made);
    return showFactor(await facts.update('consumer_factors', row, { state: 'active' }), names);
  });
  if (isRefusal(recorded)) return recorded;
  await context.propagation.given(recorded.sequence);
  return { factor: recorded.value, sequence: recorded.sequence };
}

async function readPasskeyRow({ reader, tampered }: Reading, factorId: string): Promise<PasskeyRow | Refusal> {
  const id = await findPasskeyId(reader, factorId);
  const [checked] = id === undefined ? [] : await readCheckedRows(reader, ['passkeys'], [id]);
  if (checked === undefined) return noFactor(factorId);
  if (!('tampered' in checked)) return checked.row as PasskeyRow;
  tampered(checked.tampered);
  return refuse('ROW_TAMPERED', `The factor ${factorId} was tampered with.`);
}

async function readCreated(
  { challenge, rp_id: rpId, origins }: PasskeyRow,
  response: RegistrationResponseJSON,
): Promise<Pick<PasskeyRow, 'algorithm' | 'credential_id' | 'public_key'> | Refusal> {
  const made = await readCreatedPasskey({ challenge, origins: JSON.parse(origins) as string[], rpId }, response);
  if (isRefusal(made)) return made;
  return { algorithm: made.algorithm, credential_id: made.credentialId, public_key: made.publicKey };
}
