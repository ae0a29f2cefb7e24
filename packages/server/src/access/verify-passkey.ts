import { type RegistrationResponseJSON, verifyRegistrationResponse } from '@simplewebauthn/server';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Expected } from '@keyhold/verifier/passkeys';

/**
 * Ed25519, ECDSA P-256, RSA (RFC 9053 §2, RFC 8812 §2), ML-DSA-44. The last one last: the WebCrypto that passkeys are
 * verified with calls it experimental still, so it is for devices that have nothing else.
 */
export const PASSKEY_ALGORITHMS: readonly number[] = [-8, -7, -257, -48];

export interface CreatedPasskey {
  /** COSE number, as the browser said it. */
  readonly algorithm: number | null;
  /** base64url. */
  readonly credentialId: string;
  /** COSE_Key, hex. */
  readonly publicKey: string;
}

/** Reads what a device made; whoever has it has shown so, not only touched it. */
export async function readCreatedPasskey(
  { challenge, origins, rpId }: Expected,
  response: RegistrationResponseJSON,
): Promise<CreatedPasskey | Refusal> {
  try {
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: [...origins],
      expectedRPID: rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: [...PASSKEY_ALGORITHMS],
    });
    if (!verified) return unproven('it is not signed by the passkey that it brings');
    const { id, publicKey } = registrationInfo.credential;
    return {
      algorithm: response.response.publicKeyAlgorithm ?? null,
      credentialId: id,
      publicKey: Buffer.from(publicKey).toString('hex'),
    };
  } catch (error) {
    return unproven((error as Error).message);
  }
}

function unproven(why: string): Refusal {
  return refuse('POSSESSION_UNPROVEN', `The device's answer is not one to this enrolment: ${why}.`, '/response');
}
