import type { FactorRecord } from '@keyhold/protocol/feed';

const NONE: readonly FactorRecord[] = [];

/** Second factors by environment and consumer: few have any. */
export class FactorTable {
  readonly #byId = new Map<string, FactorRecord>();
  readonly #byHolder = new Map<string, readonly FactorRecord[]>();
  readonly #distributionKeys: Set<string>;

  /** @param distributionKeys told under which keys secrets lie */
  constructor(distributionKeys: Set<string>) {
    this.#distributionKeys = distributionKeys;
  }

  get(environment: string, consumer: string): readonly FactorRecord[] {
    return this.#byHolder.get(holderOf({ environment, consumer })) ?? NONE;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  set(record: FactorRecord): void {
    this.delete(record.id);
    this.#byId.set(record.id, record);
    const holder = holderOf(record);
    this.#byHolder.set(holder, [...(this.#byHolder.get(holder) ?? NONE), record]);
    if (record.type === 'totp') this.#distributionKeys.add(record.vaultKey);
  }

  delete(id: string): void {
    const record = this.#byId.get(id);
    if (record === undefined) return;
    this.#byId.delete(id);
    const holder = holderOf(record);
    const others = (this.#byHolder.get(holder) ?? NONE).filter((other) => other.id !== id);
    if (others.length === 0) this.#byHolder.delete(holder);
    else this.#byHolder.set(holder, others);
  }
}

function holderOf({ environment, consumer }: Pick<FactorRecord, 'environment' | 'consumer'>): string {
  return `${environment} ${consumer}`;
}
