import type { FeedRecord } from '@keyhold/protocol/feed';
import type { Verdict, VerificationRequest } from '@keyhold/protocol/verdict';
import type { OnlineQuestion } from '@keyhold/protocol/verification-messages';
import type { SharedStore } from '../shared-store.ts';
import { Verifier } from '../verifier.ts';
import { FedClient } from './fed-client.ts';
import { credentialRecord, ENVIRONMENT, keyRecord, makeSecret } from './records.ts';

/** A verifier that holds one key, one credential and a lease, with a test as its control plane. */
export class FedVerifier {
  readonly fed = new FedClient();
  readonly secret = makeSecret();
  readonly verifier: Verifier;

  constructor(
    key: Parameters<typeof keyRecord>[0] = {},
    records: readonly FeedRecord[] = [],
    store: SharedStore | null = null,
  ) {
    this.verifier = new Verifier(this.fed.clock, this.fed.client, store);
    this.verifier.start();
    this.fed.lead([...records, keyRecord(key), credentialRecord(this.secret)]);
  }

  verify(request: Partial<VerificationRequest> = {}): Promise<Verdict> {
    return this.verifier.verify({ key: this.secret, environment: ENVIRONMENT, ...request });
  }

  async code(request: Partial<VerificationRequest> = {}): Promise<string> {
    return (await this.verify(request)).code;
  }

  /** What the control plane was asked and has not answered yet. */
  get questions(): { request: number; payload: OnlineQuestion }[] {
    return this.fed.feed.link.sentOf('ask').flatMap(({ request, payload }) => {
      const question = payload as OnlineQuestion;
      return question.credential === undefined ? [] : { request, payload: question };
    });
  }

  answer(payload: unknown): void {
    const asked = this.questions.at(-1);
    if (asked === undefined) throw new Error('nothing was asked');
    this.fed.feed.link.say({ type: 'answer', request: asked.request, payload });
  }
}
