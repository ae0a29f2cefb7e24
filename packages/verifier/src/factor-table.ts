import type { FactorRecord, PasskeyRecord } from '@keyhold/protocol/feed';

const NONE: readonly FactorRecord[] = [];

/** Second factors by environment and consumer: few have any. */
export class FactorTable {
  readonly #byId = new Map<string, FactorRecord>();
  readonly #byHolder = new Map<string, readonly FactorRecord[]>();
  readonly #passkeys = new Map<string, PasskeyRecord>();
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
    // Its passkey may have come before it.
    this.#forget(record.id);
    this.#byId.set(record.id, record);
    const holder = holderOf(record);
    this.#byHolder.set(holder, [...(this.#byHolder.get(holder) ?? NONE), record]);
    if (record.type === 'totp') this.#distributionKeys.add(record.vaultKey);
  }

  setPasskey(record: PasskeyRecord): void {
    this.#passkeys.set(record.factor, record);
  }

  /** What the passkey of a factor is verified with. */
  passkeyOf(factor: string): PasskeyRecord | undefined {
    return this.#passkeys.get(factor);
  }

  /** A factor, or what a passkey is verified with. */
  delete(id: string): void {
    for (const [factor, passkey] of this.#passkeys) {
      if (factor === id || passkey.id === id) this.#passkeys.delete(factor);
    }
    this.#forget(id);
  }

  #forget(id: string): void {
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
