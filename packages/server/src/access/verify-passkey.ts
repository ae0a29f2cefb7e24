import {
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { type Refusal, refuse } from '@keyhold/protocol/errors';

/**
 * Ed25519, ECDSA P-256, RSA (RFC 9053 §2, RFC 8812 §2). ML-DSA-44, which browsers would choose first, is experimental
 * in the WebCrypto that passkeys are verified with.
 */
export const PASSKEY_ALGORITHMS: readonly number[] = [-8, -7, -257];

/** What an answer of a device has to fit. */
export interface Expected {
  /** base64url, or whether it is one that was asked with. */
  readonly challenge: string | ((challenge: string) => boolean);
  readonly origins: readonly string[];
  readonly rpId: string;
}

export interface CreatedPasskey {
  /** COSE number, as the browser said it. */
  readonly algorithm: number | null;
  /** base64url. */
  readonly credentialId: string;
  /** COSE_Key, hex. */
  readonly publicKey: string;
  readonly counter: number;
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
    const { id, publicKey, counter } = registrationInfo.credential;
    return {
      algorithm: response.response.publicKeyAlgorithm ?? null,
      credentialId: id,
      publicKey: Buffer.from(publicKey).toString('hex'),
      counter,
    };
  } catch (error) {
    return unproven((error as Error).message);
  }
}

function unproven(why: string): Refusal {
  return refuse('POSSESSION_UNPROVEN', `The device's answer is not one to this enrolment: ${why}.`, '/response');
}

/** The counter that a passkey's answer says; null where it is not that passkey's, or not to this. */
export async function readAssertion(
  { challenge, origins, rpId }: Expected,
  passkey: Pick<CreatedPasskey, 'credentialId' | 'publicKey' | 'counter'>,
  response: AuthenticationResponseJSON,
): Promise<number | null> {
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: [...origins],
      expectedRPID: rpId,
      requireUserVerification: true,
      credential: {
        id: passkey.credentialId,
        publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'hex')),
        // What says less than before is a copy (WebAuthn §6.1.1); the library refuses it.
        counter: passkey.counter,
      },
    });
    return verified ? authenticationInfo.newCounter : null;
  } catch {
    return null;
  }
}
