import { hash } from 'node:crypto';
import { CLOCK_AHEAD_MS, type ReceivedRequest } from '@keyhold/protocol/dialects/dialect';
import type { PasskeyRecord } from '@keyhold/protocol/feed';
import { createdAtOf } from '@keyhold/protocol/id';
import {
  PASSKEY_WINDOW_MS,
  type PasskeyAssertion,
  passkeyStatement,
  readPasskey,
  type SentPasskey,
} from '@keyhold/protocol/request-passkey';
import type { FactorUse } from './second-factors.ts';

/** A passkey's confirmation of this request, not looked at yet. */
export interface PresentedPasskey extends SentPasskey {
  /** Of the request as it came, base64url: what has to have been signed. */
  readonly challenge: string;
}

/** @param credential id of the one that signed; of a bearer key its SHA-256, hex */
export function presentedPasskey(request: ReceivedRequest, credential: string): PresentedPasskey | null {
  const sent = readPasskey(request.headers);
  // Nothing confirms a body that nobody has seen.
  if (sent === null || request.body === null) return null;
  const { method, target, body } = request;
  const bodySha256 = hash('sha256', body, 'hex');
  const statement = passkeyStatement({ method, target, bodySha256, credential, at: sent.at });
  return { ...sent, challenge: hash('sha256', statement, 'base64url') };
}

/** What an answer of a device has to fit. */
export interface Expected {
  /** base64url, or whether it is one that was asked with. */
  readonly challenge: string | ((challenge: string) => boolean);
  readonly origins: readonly string[];
  readonly rpId: string;
}

/**
 * How often a passkey's device says that it signed; null where the answer is not that passkey's, or not to this. The
 * library is loaded when a passkey is shown for the first time: most verifiers never need it.
 * @param publicKey COSE_Key, hex
 */
export async function readAssertion(
  { challenge, origins, rpId }: Expected,
  { credentialId, publicKey }: { readonly credentialId: string; readonly publicKey: string },
  { id, response }: PasskeyAssertion,
): Promise<number | null> {
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server');
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: { ...{ id, rawId: id, type: 'public-key', clientExtensionResults: {} }, response },
      expectedChallenge: challenge,
      expectedOrigin: [...origins],
      expectedRPID: rpId,
      // Who has it must have shown so, not only touched it: it is the second factor of a person.
      requireUserVerification: true,
      // Passkeys that lie in an account count nothing, and each confirmation is good once.
      credential: { id: credentialId, publicKey: new Uint8Array(Buffer.from(publicKey, 'hex')), counter: 0 },
    });
    return verified ? authenticationInfo.newCounter : null;
  } catch {
    // What is none, or of another site, key or request.
    return null;
  }
}

/** The use that it makes of a passkey, which must not come twice; null where it is not that passkey's, or too old. */
export async function provePasskey(
  { factor, rpId, origins, credentialId, publicKey }: PasskeyRecord,
  { at, assertion, challenge }: PresentedPasskey,
  wallMs: number,
): Promise<FactorUse | null> {
  const until = at + PASSKEY_WINDOW_MS;
  if (assertion.id !== credentialId || wallMs > until || at > wallMs + CLOCK_AHEAD_MS) return null;
  const counter = await readAssertion({ challenge, origins, rpId }, { credentialId, publicKey }, assertion);
  if (counter === null) return null;
  const after = Math.max(at - CLOCK_AHEAD_MS, createdAtOf(factor) - CLOCK_AHEAD_MS);
  return { factor, id: `${factor}:${challenge}`, after, until };
}
