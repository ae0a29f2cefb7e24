import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { DistributionKeyAnswer, DistributionKeyQuestion } from '@keyhold/protocol/verification-messages';
import { isAlive } from '../access/principal.ts';
import type { TokenRow, VaultKeyRow } from '../database/schema.ts';
import type { Asking } from '../feed/feed-source.ts';
import { isAddressedTo } from '../feed/scope.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { keyById } from '../vault/open-vault-key.ts';
import type { Vault } from '../vault/vault.ts';
import { wrapForVerifier } from '../vault/wrap-for-verifier.ts';

/**
 * Hands a verifier the key under which the secrets of an environment's `hmac` credentials lie, wrapped to the
 * verifier's own key pair. That it was handed over, and to whose token, is an entry, and the entry is first: when that
 * token ends, the key is replaced.
 */
export async function handDistributionKey(
  vault: Vault,
  { scope, tokenId }: Asking,
  { distributionKey, wrapTo }: DistributionKeyQuestion,
): Promise<DistributionKeyAnswer> {
  const key = await findKey(vault, distributionKey);
  const own = { projects: [key?.project_id ?? ''], environment: key?.environment_id ?? '' };
  if (key === undefined || !isAddressedTo(own, scope)) return refusal(refuse('NOT_FOUND', 'There is no such key.'));
  if (!(await mayHave(vault, tokenId))) return refusal(refuse('FORBIDDEN', 'The token has no scope feed:hmac.'));
  const opened = await keyById(vault, key.id);
  if (isRefusal(opened)) return refusal(opened);
  const wrapped = wrapForVerifier(opened, wrapTo);
  if (isRefusal(wrapped)) return refusal(wrapped);
  const draft = {
    actor: tokenId,
    action: 'distribution-key.handed',
    subject: key.id,
    project: key.project_id,
    environment: key.environment_id,
    locks: [tokenId],
    evenWithoutChange: true as const,
  };
  const recorded = await vault.ledger.record(draft, async (facts) => {
    const token = await facts.find('tokens', tokenId);
    return token !== undefined && maySee(token, vault.clock.wall()) ? null : refuse('FORBIDDEN', 'The token is over.');
  });
  return isRefusal(recorded) ? refusal(recorded) : { version: key.version, wrapped };
}

async function findKey({ reader }: Vault, id: string): Promise<VaultKeyRow | undefined> {
  const [checked] = await readCheckedRows(reader, ['vault_keys'], [id]);
  if (checked === undefined || 'tampered' in checked) return undefined;
  const row = checked.row as VaultKeyRow;
  return row.purpose === 'distribution' ? row : undefined;
}

async function mayHave({ reader, clock }: Vault, tokenId: string): Promise<boolean> {
  const [checked] = await readCheckedRows(reader, ['tokens'], [tokenId]);
  return checked !== undefined && !('tampered' in checked) && maySee(checked.row as TokenRow, clock.wall());
}

function maySee(token: TokenRow, nowMs: number): boolean {
  return isAlive(token, nowMs) && (JSON.parse(token.scopes) as string[]).includes('feed:hmac');
}

function refusal({ refused }: Refusal): DistributionKeyAnswer {
  return { refused };
}
