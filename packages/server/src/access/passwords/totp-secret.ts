import { createSecretKey } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { fromBase32, toBase32, totpUri } from '@keyhold/protocol/totp';
import { stepOf } from '@keyhold/verifier/totp';
import type { PersonPasswordRow } from '../../database/people-rows.ts';
import { sealEnvelope } from '../../vault/envelope.ts';
import { openSharedSecret } from '../../vault/open-shared-secret.ts';
import { keyToEncrypt } from '../../vault/open-vault-key.ts';
import { placeIn, SEALED } from '../../vault/vault.ts';
import type { SignInContext } from '../sign-in/sign-in-context.ts';

/** The length of the hash (RFC 4226 §4). */
const SECRET_BYTES = 20;
/** What every app makes. */
const ALGORITHM = 'sha1';

const purposeOf = (whose: string, secret: string) => `totp ${whose} ${secret}`;

/**
 * What an app is to be shown. It is kept nowhere: it comes back with a challenge that says that it was made here, and for
 * whom.
 * @param whose id of the invitation or session
 */
export function offerTotp({ random, challenges }: SignInContext, whose: string, account: string) {
  const secret = toBase32(random.bytes(SECRET_BYTES));
  const uri = totpUri({ issuer: 'Keyhold', account, secret, algorithm: ALGORITHM });
  return { secret, uri, challenge: challenges.make(purposeOf(whose, secret)) };
}

/** A secret that an app has, as was shown with a code of it. */
export interface TakenTotp {
  readonly bytes: Uint8Array;
  /** That the code was of. */
  readonly step: number;
}

export function takeTotp(
  { challenges, clock }: SignInContext,
  whose: string,
  { secret, challenge, code }: { readonly secret: string; readonly challenge: string; readonly code: string },
): TakenTotp | Refusal {
  const bytes = fromBase32(secret);
  const purpose = purposeOf(whose, secret);
  if (bytes === null || !challenges.isOpen(purpose, challenge))
    return refuse('CODE_WRONG', 'It was offered too long ago, or to somebody else: begin anew.', '/totp/challenge');
  const step = stepOf(createSecretKey(bytes), ALGORITHM, code, clock.wall());
  if (step === null)
    return refuse('CODE_WRONG', "Let the app show a new code; check the clock of the app's device.", '/totp/code');
  // INVARIANT: taken in the same step in which it was found open.
  challenges.take(purpose, challenge);
  return { bytes, step };
}

/** The columns that a secret lies in. */
export async function sealTotp(
  { vault, home }: SignInContext,
  id: string,
  { bytes, step }: TakenTotp,
): Promise<Pick<PersonPasswordRow, 'vault_key_id' | 'envelope' | 'used_step'> | Refusal> {
  const key = await keyToEncrypt(vault, home, 'secrets');
  if (isRefusal(key)) return key;
  const envelope = sealEnvelope(key, Buffer.from(bytes), placeIn(vault, 'person.totp', home, id, 1));
  bytes.fill(0);
  return { vault_key_id: key.id, envelope, used_step: step };
}

/** The step that a code is of now; null where it is of none, or of one that was taken before. */
export async function stepNow(
  { vault, clock }: Pick<SignInContext, 'vault' | 'clock'>,
  row: PersonPasswordRow,
  code: string,
): Promise<number | null | Refusal> {
  if (vault.keyring.unsealed === null) return SEALED;
  const key = await openSharedSecret(vault, 'person.totp', row, "this person's app");
  if (isRefusal(key)) return key;
  const step = stepOf(key, ALGORITHM, code, clock.wall());
  return step === null || isUsed(row, step) ? null : step;
}

/** Whether a code of this step, or of one after it, was taken already (RFC 6238 §5.2). */
export function isUsed({ used_step: used }: Pick<PersonPasswordRow, 'used_step'>, step: number): boolean {
  return used !== null && step <= used;
}
