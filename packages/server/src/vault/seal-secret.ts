import type { WrappingKey } from '@keyhold/verifier/open-envelope';
import { expose } from './expose.ts';
import { sealEnvelope } from './envelope.ts';
import type { Secret } from './secret.ts';
import type { Place } from '@keyhold/protocol/sealed-field';

/** Seals a secret that somebody else carries: it goes from one wrapping into another without being seen. */
export function sealSecret(under: WrappingKey, secret: Secret, place: Place): string {
  const plaintext = Buffer.from(expose(secret));
  const envelope = sealEnvelope(under, plaintext, place);
  plaintext.fill(0);
  return envelope;
}
