import type { SignatureKeyRecord } from '@keyhold/protocol/feed';
import { digestOf } from './digest.ts';

interface Signer {
  readonly record: SignatureKeyRecord;
  /** Of the credential, as the replica finds it: to hash its id costs as much as all else of finding it. */
  readonly digest: string;
}

/** What credentials that sign are verified with, by credential. */
export class SignatureKeyTable {
  readonly #signers = new Map<string, Signer>();
  readonly #distributionKeys: Set<string>;

  /** @param distributionKeys told under which keys secrets lie */
  constructor(distributionKeys: Set<string>) {
    this.#distributionKeys = distributionKeys;
  }

  get(credential: string): Signer | undefined {
    return this.#signers.get(credential);
  }

  set(record: SignatureKeyRecord): void {
    this.#signers.set(record.credential, { record, digest: digestOf(record.credential) });
    if (record.algorithm === 'hmac') this.#distributionKeys.add(record.vaultKey);
  }

  forget(credential: string): void {
    this.#signers.delete(credential);
  }

  /** Looks at all of them: rows are withheld so rarely that an index is not worth its memory. */
  delete(id: string): void {
    for (const { record } of this.#signers.values()) {
      if (record.id === id) return void this.#signers.delete(record.credential);
    }
  }
}
