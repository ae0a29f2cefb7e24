import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';
import type { KeyUses } from './key-uses.ts';
import type { Keyring } from './keyring.ts';
import type { Place, SealedField } from '@keyhold/protocol/sealed-field';
import type { Turns } from './turns.ts';

/** What encrypts and decrypts here, with what it needs to find and enter its keys. */
export interface Vault {
  readonly keyring: Keyring;
  /** For whatever changes the seal, the root key or what is in memory of them. */
  readonly sealTurns: Turns;
  readonly uses: KeyUses;
  readonly ledger: Ledger;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly random: Random;
  /** Raises the alarm that something encrypted is not what was written. */
  readonly broken: (place: Place, detail: string) => void;
  /** Raises the alarm that somebody came for a delivery that was taken before. */
  readonly takenTwice: (deliveryId: string) => void;
  /** Raises the alarm that a stored row is not the one that the ledger recorded. */
  readonly tampered: (rowId: string) => void;
}

export const SEALED: Refusal = refuse('SEALED', 'The installation is sealed: unseal it first (POST /v1/unseal).');

/** An environment, as far as a place names it. */
export interface InEnvironment {
  readonly project_id: string;
  readonly environment_id: string;
}

export function placeIn(
  { ledger }: Pick<Vault, 'ledger'>,
  field: SealedField,
  { project_id, environment_id }: InEnvironment,
  id: string,
  version: number,
): Place {
  const { installation } = ledger.head;
  return { field, installation, project: project_id, environment: environment_id, id, version };
}
