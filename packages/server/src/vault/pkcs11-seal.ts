import { KEY_BYTES, NONCE_BYTES, TAG_BYTES, commitmentTo } from '@keyhold/verifier/open-envelope';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Seal } from '@keyhold/protocol/operations/seal';
import type { Hsm } from './hsm.ts';
import { readPinFile } from './pin-file.ts';
import type { Pkcs11Parameters } from './seal.ts';
import { SecretBytes } from './secret-bytes.ts';
import { associatedData } from '@keyhold/protocol/sealed-field';
import { newKeyBytes } from './wrapped-key.ts';

/** Of what is encrypted in the token, and how. */
const FORMAT = 1;
const COMMITMENT_BYTES = 32;
const WRAPPED_BYTES = COMMITMENT_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/** Which seal it is: its key opens there and nowhere else. */
export interface SealPlace {
  readonly installation: string;
  readonly id: string;
}

/** What is asked for; a token and its module are named, a key may be. */
export interface Pkcs11Change {
  readonly module?: string;
  readonly tokenLabel?: string;
  readonly keyLabel?: string;
  readonly pin?: string;
  readonly pinFile?: string;
}

/** A new key for the seal, encrypted by the key in the token; `keyBytes` are the caller's to wipe. */
export async function makePkcs11Seal(
  hsm: Hsm,
  place: SealPlace,
  { module, tokenLabel, keyLabel = `keyhold ${place.installation}`, pin, pinFile }: Pkcs11Change,
): Promise<{ readonly parameters: Pkcs11Parameters; readonly keyBytes: SecretBytes } | Refusal> {
  if (module === undefined) return refuse('INVALID_INPUT', 'This seal takes the path of a PKCS#11 module.', '/module');
  if (tokenLabel === undefined) return refuse('INVALID_INPUT', 'This seal takes the label of a token.', '/tokenLabel');
  const given = pinOf(pin, pinFile ?? null);
  if (isRefusal(given)) return given;
  const keyBytes = newKeyBytes();
  const commitment = commitmentTo(keyBytes);
  const nonce = randomBytes(NONCE_BYTES);
  const call = { action: 'encrypt', module, tokenLabel, keyLabel, pin: given, nonce, data: keyBytes } as const;
  const encrypted = await hsm.call({ ...call, associated: associated(place, commitment) });
  if (isRefusal(encrypted)) {
    keyBytes.fill(0);
    return encrypted;
  }
  const wrappedKey = Buffer.concat([commitment, nonce, encrypted]).toString('hex');
  const parameters = { kind: 'pkcs11', module, tokenLabel, keyLabel, pinFile: pinFile ?? null, wrappedKey } as const;
  return { parameters, keyBytes: new SecretBytes(keyBytes) };
}

/**
 * The seal's key, the caller's to wipe. Without a PIN, the one that lies in the file is taken.
 * @param unwatched where nobody waits for the answer: the token's last try is not spent
 */
export async function keyOfPkcs11Seal(
  hsm: Hsm,
  place: SealPlace,
  { module, tokenLabel, keyLabel, pinFile, wrappedKey }: Pkcs11Parameters,
  pin: string | undefined,
  unwatched = false,
): Promise<Buffer | Refusal> {
  const wrapped = Buffer.from(wrappedKey, 'hex');
  if (wrapped.length !== WRAPPED_BYTES) return refuse('UNSEAL_REFUSED', 'What the seal holds was altered.');
  const given = pinOf(pin, pin === undefined ? pinFile : null);
  if (isRefusal(given)) return given;
  const commitment = wrapped.subarray(0, COMMITMENT_BYTES);
  const nonce = wrapped.subarray(COMMITMENT_BYTES, COMMITMENT_BYTES + NONCE_BYTES);
  const data = wrapped.subarray(COMMITMENT_BYTES + NONCE_BYTES);
  const call = { action: 'decrypt', module, tokenLabel, keyLabel, pin: given, unwatched, nonce, data } as const;
  const keyBytes = await hsm.call({ ...call, associated: associated(place, commitment) });
  if (isRefusal(keyBytes)) return keyBytes;
  // The HSM is not asked to be believed.
  const own = commitmentTo(keyBytes);
  if (timingSafeEqual(own, commitment)) return keyBytes;
  keyBytes.fill(0);
  return refuse('UNSEAL_REFUSED', `What the key "${keyLabel}" in the token gives is not the key of this seal.`);
}

function pinOf(pin: string | undefined, pinFile: string | null): string | Refusal {
  if (pin !== undefined && pinFile !== null)
    return refuse('INVALID_INPUT', 'This seal takes the PIN or the file that holds it, not both.', '/pin');
  if (pin !== undefined) return pin;
  if (pinFile === null) return refuse('INVALID_INPUT', 'This seal takes the PIN of its token.', '/pin');
  return readPinFile(pinFile);
}

function associated({ installation, id }: SealPlace, commitment: Uint8Array): Uint8Array {
  const place = { field: 'seal-key', installation, project: null, environment: null, id, version: FORMAT } as const;
  return associatedData('key', place, { commitment: Buffer.from(commitment).toString('hex') });
}

/** As it is shown. */
export function viewToken({ module, tokenLabel, keyLabel, pinFile }: Pkcs11Parameters): Seal['pkcs11'] {
  return { module, tokenLabel, keyLabel, pinFile };
}
