import { type Static, Type } from 'typebox';
import { CREDENTIAL_KINDS, PUBLIC_KEY_ALGORITHMS, STATES } from '../state.ts';
import { Closed, IdOf, Nullable, Time } from './shapes.ts';

export const CredentialShape = Closed({
  id: IdOf('credential'),
  kind: Type.Enum([...CREDENTIAL_KINDS]),
  hint: Type.String({
    description:
      'What it is recognised by: characters after the prefix, or of the id or public key that it signs under.',
  }),
  /** Of public keys only. */
  algorithm: Nullable(Type.Enum([...PUBLIC_KEY_ALGORITHMS])),
  publicKey: Nullable(Type.String({ description: 'SubjectPublicKeyInfo, DER as hex; of public keys only.' })),
  state: Type.Enum([...STATES]),
  reason: Nullable(Type.String()),
  startsAt: Nullable(Time),
  expiresAt: Nullable(Time),
  createdAt: Time,
  lastUsedAt: Nullable(Time),
  lastUsedFrom: Nullable(Type.String({ description: 'Client address of the last use, where the caller named one.' })),
  uses: Type.Integer({ description: 'Accepted verifications that verifiers have reported.' }),
});
export type Credential = Static<typeof CredentialShape>;

const NewPublicKey = Closed({
  kind: Type.Literal('public-key'),
  publicKey: Type.String({
    minLength: 64,
    maxLength: 4096,
    description: 'The public key in PEM (SPKI) or its DER as hex: Ed25519, ECDSA P-256, or RSA of 2048 bits or more.',
  }),
  /** That the holder has the private key: his signature of the possession statement, ten minutes old at most. */
  proof: Closed({
    at: Time,
    signature: Type.String({ minLength: 64, maxLength: 2048, description: 'Base64.' }),
  }),
});

const KINDS = [Closed({ kind: Type.Literal('bearer') }), Closed({ kind: Type.Literal('hmac') }), NewPublicKey] as const;

/** What a key is to be used with. */
export const NewCredential = Type.Union([...KINDS], {
  description:
    'A secret that is sent itself (the default), a secret that requests are signed with, or the public key of one that never reaches this server.',
});

/** What it is to be used with from now on. */
export const NextCredential = Type.Union([...KINDS], {
  description:
    'As when it is issued; by default of the kind that the key has now. The next public key has to be given.',
});

export type NewCredential = Static<typeof NewCredential>;
export type NewPublicKey = Static<typeof NewPublicKey>;
