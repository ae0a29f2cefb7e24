import { OTP_HEADER } from '../../totp.ts';
import { CLOCK_AHEAD_MS, type Freshness, type Malformed, type SignedClaim } from '../dialect.ts';
import { MAX_WINDOW_SECONDS } from '../settings.ts';
import type { Component } from './component.ts';
import { coveredDigests } from './content-digest.ts';
import { isRefused, malformed } from './malformed.ts';
import type { Message } from './message.ts';
import { signatureBase } from './signature-base.ts';
import { chosenSignature } from './signature-fields.ts';
import { ALGORITHMS, readParameters, type SignatureParameters } from './signature-parameters.ts';

/** What a signature has to be like, beyond being good (RFC 9421 §3.2.1). */
export interface SignatureRules {
  /** Must be covered, each; a body's digest always, where there is a body. */
  readonly components: readonly Component[];
  /** A signature is good for so long after `created`, and never after `expires`. */
  readonly maxAgeSeconds: number;
  /** Only signatures with this tag are looked at. */
  readonly tag?: string | undefined;
  readonly nonceRequired: boolean;
}

/** What a signed message claims, all but the cryptography of RFC 9421 §3.2; never throws. */
export function readSignature(message: Message, rules: SignatureRules): SignedClaim | Malformed {
  const chosen = chosenSignature(message.headers, rules.tag);
  if (isRefused(chosen)) return chosen;
  const parameters = readParameters(chosen.input.parameters);
  if (isRefused(parameters)) return parameters;
  const { keyid, created, nonce, alg } = parameters;
  if (keyid === undefined) return malformed('the signature names no key');
  if (created === undefined) return malformed('the signature does not say when it was created');
  if (nonce === undefined && rules.nonceRequired) return malformed('the signature has no nonce');
  const base = signatureBase(message, chosen.input);
  if (isRefused(base)) return base;
  const missing = rules.components.find(({ identity }) => !base.components.some((one) => one.identity === identity));
  if (missing !== undefined) return malformed(`the signature does not cover ${missing.identifier}`);
  const digests = coveredDigests(message.headers, base.components, message.body);
  if (isRefused(digests)) return digests;
  return {
    credential: keyid,
    base: [base.bytes],
    signature: chosen.signature,
    algorithms: alg === undefined ? ALGORITHMS : [alg],
    secretEncoding: 'base64',
    // RFC 9421 §3.3.4: r and s, 32 bytes each.
    ecdsaEncoding: 'ieee-p1363',
    freshness: freshnessOf(created, parameters, rules.maxAgeSeconds),
    nonce: nonce === undefined ? null : { kind: 'once', value: nonce },
    ...coveredOtp(message, base.components),
    digests,
  };
}

/** A one-time code counts where it is signed as a whole, once: else anybody could have put it there. */
function coveredOtp({ headers }: Message, components: readonly Component[]): { otp?: string } {
  const covered = components.some(({ name, parameters }) => name === OTP_HEADER && parameters.size === 0);
  const otp = covered && headers.values(OTP_HEADER).length === 1 ? headers.combined(OTP_HEADER) : null;
  return otp === null ? {} : { otp };
}

function freshnessOf(created: number, { expires }: SignatureParameters, maxAgeSeconds: number): Freshness {
  const signedAt = created * 1000;
  const ends = (seconds: number) => Math.min(signedAt + seconds * 1000, (expires ?? Number.POSITIVE_INFINITY) * 1000);
  return {
    signedAt,
    // Good at exactly the skew ahead, and `after` itself is not good.
    after: signedAt - CLOCK_AHEAD_MS - 1,
    until: ends(maxAgeSeconds),
    longest: ends(MAX_WINDOW_SECONDS),
  };
}
