import { CommitDoubtful } from '../database/store-fault.ts';
import type { Random } from '../random.ts';
import type { EntryDraft } from './entry.ts';
import type { Ledger } from './ledger.ts';

type CountedDraft = Pick<
  EntryDraft,
  'actor' | 'action' | 'subject' | 'code' | 'project' | 'environment' | 'about' | 'side'
>;

/**
 * Entries of what was counted. After a failure the counts can be put back and told with later ones; where it is in doubt
 * whether an entry was committed they can't: that one is kept as it is, and entered under the same key until it is known.
 */
export class CountedEntries {
  readonly #ledger: () => Pick<Ledger, 'record'>;
  readonly #random: Random;
  #doubtful: EntryDraft[] = [];

  constructor(ledger: () => Pick<Ledger, 'record'>, random: Random) {
    this.#ledger = ledger;
    this.#random = random;
  }

  /** Whether its counts are told, or will be by what is kept here; else they are the caller's again. */
  async enter(counted: CountedDraft): Promise<boolean> {
    const key = Buffer.from(this.#random.bytes(16)).toString('hex');
    // Nobody else has the key, so that it says by itself which request it is of.
    const idempotency = { principal: 'system', key, requestDigest: key };
    return (await this.#try({ ...counted, evenWithoutChange: true, idempotency })) !== 'failed';
  }

  /** Enters what is in doubt; whether nothing is any more. INVARIANT: till then nothing more is tried, so it is bounded. */
  async settle(): Promise<boolean> {
    const drafts = this.#doubtful;
    this.#doubtful = [];
    const outcomes = await Promise.all(drafts.map((draft) => this.#try(draft)));
    // What failed for certain now may have been committed before.
    this.#doubtful.push(...drafts.filter((_, i) => outcomes[i] === 'failed'));
    return this.isSettled;
  }

  /** Whether of no entry it is in doubt that it was committed. */
  get isSettled(): boolean {
    return this.#doubtful.length === 0;
  }

  async #try(draft: EntryDraft): Promise<'entered' | 'doubtful' | 'failed'> {
    try {
      await this.#ledger().record(draft, async () => ({}));
      return 'entered';
    } catch (error) {
      if (!(error instanceof CommitDoubtful)) return 'failed';
      this.#doubtful.push(draft);
      return 'doubtful';
    }
  }
}
