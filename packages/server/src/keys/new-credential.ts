import { hash } from 'node:crypto';
import { credentialHint, formatCredential } from '@keyhold/protocol/credential-format';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import { encodeIssuedSecret } from '@keyhold/protocol/issued-secret';
import type { NewCredential } from '@keyhold/protocol/operations/credentials';
import type { CredentialRow, SignatureKeyRow } from '../database/schema.ts';
import type { Random } from '../random.ts';
import { keyToEncrypt } from '../vault/open-vault-key.ts';
import { sealSecret } from '../vault/seal-secret.ts';
import { Secret } from '../vault/secret.ts';
import { type InEnvironment, placeIn, type Vault } from '../vault/vault.ts';
import { readPublicKey } from './public-key.ts';

/** A credential that is ready to be written: what leaves of it, and what is stored. */
export interface PreparedCredential {
  readonly columns: Omit<CredentialRow, 'salt' | 'key_id'>;
  readonly signatureKey: Omit<SignatureKeyRow, 'salt'> | null;
  /** Null: there is none, the holder has it. */
  readonly secret: Secret | null;
  readonly passphrase: Secret | null;
  /** The same as a delivery carries it: JSON. */
  readonly content: Secret | null;
}

/** Where a credential will lie, and who is to hold it. */
export interface CredentialPlace extends InEnvironment {
  readonly prefix: string;
  /** `project/environment` */
  readonly environment: string;
  /** Consumer or key: a proof of possession names it. */
  readonly holder: string;
}

/** Prepares a credential of the kind that was asked for. */
export async function prepareCredential(
  vault: Vault,
  place: CredentialPlace,
  asked: NewCredential | undefined,
): Promise<PreparedCredential | Refusal> {
  switch (asked?.kind) {
    case undefined:
    case 'bearer':
      return bearerCredential(vault.random, place, vault.clock.wall());
    case 'hmac':
      return await hmacCredential(vault, place);
    case 'public-key': {
      const read = readPublicKey(asked, place, vault.clock.wall());
      if (isRefusal(read)) return read;
      const { algorithm, publicKey } = read;
      const columns = signingColumns(vault, place, 'public-key');
      const signatureKey = { ...signatureColumns(vault, columns), algorithm, public_key: publicKey };
      return { columns, signatureKey, secret: null, passphrase: null, content: null };
    }
  }
}

/** A fresh bearer credential. */
export function bearerCredential(
  random: Random,
  place: InEnvironment & { readonly prefix: string },
  nowMs: number,
): PreparedCredential {
  const text = formatCredential(place.prefix, random.bytes(32));
  const columns = {
    ...commonColumns(random, place, nowMs),
    kind: 'bearer' as const,
    // 256 random bits need no slow hash (DESIGN §6).
    digest: hash('sha256', text, 'hex'),
    hint: credentialHint(text),
  };
  const content = new Secret(JSON.stringify(text));
  return { columns, signatureKey: null, secret: new Secret(text), passphrase: null, content };
}

/** 384 random bits are 64 characters of base64: as text and as bytes alike a key that no hash function shortens. */
const SECRET_BYTES = 48;
const PASSPHRASE_BYTES = 18;

async function hmacCredential(vault: Vault, place: CredentialPlace): Promise<PreparedCredential | Refusal> {
  const key = await keyToEncrypt(vault, place, 'distribution');
  if (isRefusal(key)) return key;
  const columns = signingColumns(vault, place, 'hmac');
  const secret = Buffer.from(vault.random.bytes(SECRET_BYTES)).toString('base64');
  const passphrase = Buffer.from(vault.random.bytes(PASSPHRASE_BYTES)).toString('base64url');
  const sealed = new Secret(encodeIssuedSecret({ secret, passphrase }));
  const envelope = sealSecret(key, sealed, placeIn(vault, 'credential.secret', place, columns.id, 1));
  const signatureKey = {
    ...signatureColumns(vault, columns),
    algorithm: 'hmac' as const,
    vault_key_id: key.id,
    envelope,
  };
  const content = new Secret(JSON.stringify({ credential: columns.id, secret, passphrase }));
  return { columns, signatureKey, secret: new Secret(secret), passphrase: new Secret(passphrase), content };
}

function commonColumns(random: Random, { project_id, environment_id }: InEnvironment, nowMs: number) {
  return {
    id: random.newId('credential'),
    project_id,
    environment_id,
    state: 'active' as const,
    reason: null,
    starts_at: null,
    expires_at: null,
    created_at: nowMs,
  };
}

const HINT_WIDTH = 4;

/** Clients send the id, so it is what such a credential is found and recognised by. */
function signingColumns({ random, clock }: Vault, place: InEnvironment, kind: 'hmac' | 'public-key') {
  const common = commonColumns(random, place, clock.wall());
  return { ...common, kind, digest: hash('sha256', common.id, 'hex'), hint: common.id.slice(-HINT_WIDTH) };
}

function signatureColumns({ random }: Vault, credential: PreparedCredential['columns']) {
  const { project_id, environment_id, created_at } = credential;
  return {
    id: random.newId('signatureKey'),
    project_id,
    environment_id,
    credential_id: credential.id,
    public_key: null,
    vault_key_id: null,
    envelope: null,
    created_at,
  };
}
