import { DistributionKeyQuestion, OnlineQuestion } from '@keyhold/protocol/verification-messages';
import { Compile } from 'typebox/compile';
import type { Asking } from '../feed/feed-source.ts';
import type { Vault } from '../vault/vault.ts';
import { answerOnline, type OnlineContext } from './answer-online.ts';
import { handDistributionKey } from './hand-distribution-key.ts';

const online = Compile(OnlineQuestion);
const distributionKeys = Compile(DistributionKeyQuestion);

/** Answers what a verifier asks on its feed: to decide with it, or for a key; null where it is neither. */
export async function answerQuestion(
  context: OnlineContext & { readonly vault: () => Vault },
  asking: Asking,
  payload: unknown,
): Promise<unknown> {
  if (online.Check(payload)) return await answerOnline(context, asking.scope, payload);
  if (distributionKeys.Check(payload)) return await handDistributionKey(context.vault(), asking, payload);
  return null;
}
