import { generateRegistrationOptions } from '@simplewebauthn/server';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Factor } from '@keyhold/protocol/operations/factors';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import { PASSKEY_ALGORITHMS } from '../access/verify-passkey.ts';
import type { ConsumerRow, EnvironmentRow, ProjectRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import { MAX_FACTORS, showFactor, TOO_MANY } from './factor.ts';
import { countFactors } from './factors.store.ts';
import { enrolmentEntry } from './open-factor.ts';

export interface NewPasskey {
  readonly name: string;
  readonly rpId: string;
  readonly rpName: string;
  readonly origins: readonly string[];
}

/** What a page hands `navigator.credentials.create`. */
export type CreationOptions = Awaited<ReturnType<typeof generateRegistrationOptions>>;

export interface EnrolledPasskey extends Recorded<Factor> {
  readonly options: CreationOptions;
}

/** As long as a SHA-256; WebAuthn §13.4.3 asks for 16 at least. */
const CHALLENGE_BYTES = 32;

/** Asks for a passkey of the consumer. It counts once a device has answered. */
export async function enrolPasskey(
  { ledger, clock, random }: ChangeContext,
  caller: Caller,
  consumer: ConsumerRow,
  { project, environment }: { readonly project: ProjectRow; readonly environment: EnvironmentRow },
  { name, rpId, rpName, origins }: NewPasskey,
): Promise<EnrolledPasskey | Refusal> {
  const place = { project_id: project.id, environment_id: environment.id };
  const [id, passkeyId] = [random.newId('factor'), random.newId('passkey')];
  const challenge = Buffer.from(random.bytes(CHALLENGE_BYTES));
  const recorded = await ledger.record(enrolmentEntry(caller, id, consumer, place), async (facts) => {
    if ((await countFactors(facts.db, consumer.id, environment.id)) >= MAX_FACTORS) return TOO_MANY;
    const row = await facts.insert('consumer_factors', {
      ...{ id, ...place, consumer_id: consumer.id, kind: 'passkey', name, state: 'unconfirmed', algorithm: 'passkey' },
      ...{ used_step: null, vault_key_id: null, envelope: null, created_at: clock.wall() },
    });
    await facts.insert('passkeys', {
      ...{ id: passkeyId, ...place, factor_id: id, rp_id: rpId, origins: JSON.stringify(origins) },
      ...{ challenge: challenge.toString('base64url'), algorithm: null, credential_id: null, public_key: null },
    });
    return showFactor(row, { project: project.slug, environment: environment.name });
  });
  if (isRefusal(recorded)) return recorded;
  const options = await generateRegistrationOptions({
    rpName,
    rpID: rpId,
    userName: consumer.name,
    userID: new TextEncoder().encode(consumer.id),
    challenge: new Uint8Array(challenge),
    attestationType: 'none',
    supportedAlgorithmIDs: [...PASSKEY_ALGORITHMS],
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
  });
  return { ...recorded, options };
}
