import { hash } from 'node:crypto';
import { credentialHint, formatCredential } from '@keyhold/protocol/credential-format';
import type { CredentialRow } from '../database/schema.ts';
import type { Random } from '../random.ts';
import { Secret } from '../vault/secret.ts';

/** A fresh bearer credential: its secret, and what is stored of it. */
export function newBearerCredential(
  random: Random,
  place: { readonly projectId: string; readonly environmentId: string; readonly keyId: string },
  prefix: string,
  nowMs: number,
): { readonly secret: Secret; readonly content: Secret; readonly columns: Omit<CredentialRow, 'salt'> } {
  const text = formatCredential(prefix, random.bytes(32));
  return {
    secret: new Secret(text),
    // The same as a delivery carries it.
    content: new Secret(JSON.stringify(text)),
    columns: {
      id: random.newId('credential'),
      project_id: place.projectId,
      environment_id: place.environmentId,
      key_id: place.keyId,
      kind: 'bearer',
      // 256 random bits need no slow hash (DESIGN §6).
      digest: hash('sha256', text, 'hex'),
      hint: credentialHint(text),
      state: 'active',
      reason: null,
      starts_at: null,
      expires_at: null,
      created_at: nowMs,
    },
  };
}
