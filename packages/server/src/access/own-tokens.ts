import { hash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { credentialHint, formatCredential, TOKEN_PREFIX } from '@keyhold/protocol/credential-format';
import type { Scope } from '@keyhold/protocol/state';
import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { BootstrapTokenRow } from '../database/people-rows.ts';
import type { Database } from '../database/schema.ts';
import { readChecked } from '../ledger/checked-rows.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';
import { writeSecretFile } from '../vault/secret-file.ts';
import { isAlive } from './principal.ts';
import { findToken, findTokenByDigest } from './tokens.store.ts';

const BOOTSTRAP_CREATED = 'bootstrap.created';

interface OwnTokens {
  readonly ledger: Ledger;
  readonly reader: Kysely<Database>;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Makes the bootstrap token at the very first start, in a file that only the owner of the data can read. Once removed it
 * doesn't come back.
 * @returns its id, to enter each use of it; null where nobody knows it any more: then none makes an owner
 */
async function ensureBootstrapToken(own: OwnTokens, file: string): Promise<string | null> {
  const known = await findBootstrapToken(own);
  if (known === undefined) {
    return await createTokenFile(own, file, { action: BOOTSTRAP_CREATED, name: 'bootstrap', scopes: ['admin'] });
  }
  // Nobody shall wonder what it is good for; nor try it.
  if (known !== null && (await findToken(own.reader, known))?.state !== 'active') removeTokenFile(file);
  return known;
}

/** Undefined: there was none yet. */
async function findBootstrapToken(own: OwnTokens): Promise<string | null | undefined> {
  const { rows } = await readChecked(own.reader, 'bootstrap_tokens', '', 1);
  const [checked] = rows;
  if (checked !== undefined) return 'tampered' in checked ? null : (checked.row as BootstrapTokenRow).token_id;
  const entry = await own.reader
    .selectFrom('entries')
    .select('subject')
    .where('action', '=', BOOTSTRAP_CREATED)
    .orderBy('sequence')
    .limit(1)
    .executeTakeFirst();
  if (entry !== undefined) {
    // Of an earlier version: entries are pruned, and what they said is forgotten.
    await noteBootstrapToken(own, entry.subject);
    return entry.subject;
  }
  // Whatever became of it: where the ledger knew a token once, the first one was this.
  const heads = own.reader
    .selectFrom('row_heads')
    .select('row_id')
    .where('row_id', '>=', 'tok_')
    .where('row_id', '<', 'tok`');
  return (await heads.limit(1).executeTakeFirst()) === undefined ? undefined : null;
}

async function noteBootstrapToken({ ledger, random }: OwnTokens, tokenId: string): Promise<void> {
  const id = random.newId('bootstrapToken');
  await ledger.record({ actor: 'system', action: 'bootstrap.noted', subject: tokenId }, (facts) =>
    facts.insert('bootstrap_tokens', { id, token_id: tokenId }),
  );
}

/** Once its token opens nothing. */
function removeTokenFile(file: string): void {
  rmSync(file, { force: true });
}

const RECOVERY_MS = 24 * 3_600_000;

/** The tokens that make an owner: the first, and one who takes the place of those who are lost. */
export interface OwnerTokens {
  readonly bootstrapId: string | null;
  readonly bootstrapFile: string;
  /** Of this start, where it was asked for. */
  readonly recoveryId: string | null;
  /** Removes the file of one that has ended. */
  readonly ended: (tokenId: string) => void;
}

/** @param recover what to tell, loudly, where an owner is to be recovered; null: none is */
export async function ensureOwnerTokens(
  own: OwnTokens,
  fileOf: (name: string) => string,
  recover: ((tokenId: string, file: string) => void) | null,
): Promise<OwnerTokens> {
  const [bootstrapFile, recoveryFile] = [fileOf('bootstrap-token'), fileOf('owner-recovery-token')];
  const bootstrapId = await ensureBootstrapToken(own, bootstrapFile);
  let recoveryId: string | null = null;
  if (recover !== null) {
    const expiresAt = own.clock.wall() + RECOVERY_MS;
    recoveryId = await createTokenFile(own, recoveryFile, {
      ...{ action: 'recovery.created', name: 'owner recovery', scopes: ['unseal'], expiresAt },
    });
    recover(recoveryId, recoveryFile);
  } else removeTokenFile(recoveryFile);
  const ended = (tokenId: string) => removeTokenFile(tokenId === recoveryId ? recoveryFile : bootstrapFile);
  return { bootstrapId, bootstrapFile, recoveryId, ended };
}

const VERIFIER_SCOPES: readonly Scope[] = ['feed', 'feed:hmac'];

/** Makes the token of this installation's own verifier process, where the file holds none that is alive and enough. */
export async function ensureVerifierToken(own: OwnTokens, file: string): Promise<void> {
  if (existsSync(file)) {
    const found = await findTokenByDigest(own.reader, hash('sha256', readFileSync(file, 'utf8').trim(), 'hex'));
    const alive = found !== undefined && isAlive(found.token, own.clock.wall());
    if (alive && VERIFIER_SCOPES.every((scope) => found.token.scopes.includes(`"${scope}"`))) return;
    if (alive) await endToken(own, found.token.id);
    unlinkSync(file);
  }
  await createTokenFile(own, file, { action: 'token.created', name: 'verifier process', scopes: VERIFIER_SCOPES });
}

/** One of an earlier version, which may see less than verifiers do now. */
async function endToken({ ledger }: OwnTokens, id: string): Promise<void> {
  const draft = { actor: 'system', action: 'token.revoked', subject: id, locks: [id] };
  await ledger.record(draft, async (facts) => {
    const token = await facts.find('tokens', id);
    if (token !== undefined) await facts.update('tokens', token, { state: 'deactivated' });
    return null;
  });
}

interface OwnToken {
  readonly action: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt?: number;
}

/** The file is there before the entry: a token that nobody can read would lock everybody out. */
async function createTokenFile(
  { ledger, random, clock }: OwnTokens,
  file: string,
  { action, name, scopes, expiresAt }: OwnToken,
): Promise<string> {
  const secret = formatCredential(TOKEN_PREFIX, random.bytes(32));
  writeSecretFile(file, `${secret}\n`);
  const id = random.newId('token');
  await ledger.record({ actor: 'system', action, subject: id }, async (facts) => {
    if (action === BOOTSTRAP_CREATED) {
      await facts.insert('bootstrap_tokens', { id: random.newId('bootstrapToken'), token_id: id });
    }
    return await facts.insert('tokens', {
      id,
      name,
      scopes: JSON.stringify(scopes),
      projects: null,
      environment_id: null,
      digest: hash('sha256', secret, 'hex'),
      hint: credentialHint(secret),
      state: 'active',
      expires_at: expiresAt ?? null,
      created_at: clock.wall(),
    });
  });
  return id;
}
