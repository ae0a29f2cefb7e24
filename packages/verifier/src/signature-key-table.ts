import type { SignatureKeyRecord } from '@keyhold/protocol/feed';

/** What credentials that sign are verified with, by credential. */
export class SignatureKeyTable {
  readonly #records = new Map<string, SignatureKeyRecord>();
  readonly #distributionKeys: Set<string>;

  /** @param distributionKeys told under which keys secrets lie */
  constructor(distributionKeys: Set<string>) {
    this.#distributionKeys = distributionKeys;
  }

  get(credential: string): SignatureKeyRecord | undefined {
    return this.#records.get(credential);
  }

  set(record: SignatureKeyRecord): void {
    this.#records.set(record.credential, record);
    if (record.algorithm === 'hmac') this.#distributionKeys.add(record.vaultKey);
  }

  forget(credential: string): void {
    this.#records.delete(credential);
  }

  /** Looks at all of them: rows are withheld so rarely that an index is not worth its memory. */
  delete(id: string): void {
    for (const record of this.#records.values()) {
      if (record.id === id) return void this.#records.delete(record.credential);
    }
  }
}
