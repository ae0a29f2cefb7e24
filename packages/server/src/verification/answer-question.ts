import { DistributionKeyQuestion, OnlineQuestion, QuotaQuestion } from '@keyhold/protocol/verification-messages';
import { Compile } from 'typebox/compile';
import type { Scratch } from '../database/scratch.ts';
import type { Asking } from '../feed/feed-source.ts';
import type { Vault } from '../vault/vault.ts';
import { answerOnline, type OnlineContext } from './answer-online.ts';
import { handDistributionKey } from './hand-distribution-key.ts';
import { handQuotaSlices } from './hand-quota-slices.ts';

const online = Compile(OnlineQuestion);
const distributionKeys = Compile(DistributionKeyQuestion);
const quotas = Compile(QuotaQuestion);

/** Answers what a verifier asks on its feed: to decide with it, for a key, or for units of quotas; null where it is none. */
export async function answerQuestion(
  context: OnlineContext & { readonly vault: () => Vault; readonly scratch: Scratch },
  asking: Asking,
  payload: unknown,
): Promise<unknown> {
  if (online.Check(payload)) return await answerOnline(context, asking.scope, payload);
  if (distributionKeys.Check(payload)) return await handDistributionKey(context.vault(), asking, payload);
  if (quotas.Check(payload)) return await handQuotaSlices(context, asking, payload);
  return null;
}
