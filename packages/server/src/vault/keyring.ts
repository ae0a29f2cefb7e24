import type { WrappingKey } from '@keyhold/verifier/open-envelope';
import type { KeyObject } from 'node:crypto';
import type { Purpose } from '@keyhold/protocol/sealed-field';

/** What is in memory while the installation is unsealed: the root key, and the key of its seal. */
export interface Unsealed {
  readonly root: WrappingKey;
  /** While keys still lie under it. */
  readonly previousRoot: WrappingKey | null;
  /** Kept so that the root key can be rotated without asking for the seal's key again. */
  readonly sealKey: KeyObject;
}

/** Keys of environments that may be in memory at once; the one used longest ago goes. */
const MAX_LOADED = 20_000;

/** Every key that is open. Sealing forgets them all, and has their bytes cleared. */
export class Keyring {
  readonly #collect: () => Promise<void>;
  #unsealed: Unsealed | null = null;
  /** Whose bytes may still be in memory. */
  #forgotten: WeakRef<KeyObject>[] = [];
  readonly #loaded = new Map<string, WrappingKey>();
  readonly #newest = new Map<string, string>();

  /** @param collect clears the bytes of every key that nobody holds */
  constructor(collect: () => Promise<void>) {
    this.#collect = collect;
  }

  get sealed(): boolean {
    return this.#unsealed === null;
  }

  get unsealed(): Unsealed | null {
    return this.#unsealed;
  }

  unseal(unsealed: Unsealed): void {
    this.#unsealed = unsealed;
  }

  /** Puts others in the place of what is there; nothing where that is not `expected` any more. */
  replace(expected: Unsealed, next: Unsealed): void {
    if (this.#unsealed !== expected) return;
    this.#unsealed = next;
    const kept = keysOf(next);
    this.#forget(keysOf(expected).filter((key) => !kept.includes(key)));
    // The minute's timer does what was not done now.
    this.clearForgotten().catch(() => {});
  }

  /** Sealed at once; resolves when the bytes are gone from memory, but for those that a call still works with. */
  async seal(): Promise<void> {
    this.#forget([
      ...(this.#unsealed === null ? [] : keysOf(this.#unsealed)),
      ...Array.from(this.#loaded.values(), ({ key }) => key),
    ]);
    this.#unsealed = null;
    this.#loaded.clear();
    this.#newest.clear();
    await this.clearForgotten();
  }

  /** Clears the bytes of keys that were forgotten; one that a call still works with is left for the next time. */
  async clearForgotten(): Promise<void> {
    if (this.#forgotten.length === 0) return;
    await this.#collect();
    this.#forgotten = this.#forgotten.filter((key) => key.deref() !== undefined);
  }

  #forget(keys: readonly KeyObject[]): void {
    this.#forgotten.push(...keys.map((key) => new WeakRef(key)));
  }

  /** A key that was loaded, by id. */
  loaded(id: string): WrappingKey | undefined {
    const key = this.#loaded.get(id);
    if (key === undefined) return undefined;
    this.#loaded.delete(id);
    this.#loaded.set(id, key);
    return key;
  }

  /** The key that encrypts for this purpose now, where it is loaded. */
  newest(environment: string, purpose: Purpose): WrappingKey | undefined {
    const id = this.#newest.get(`${environment} ${purpose}`);
    return id === undefined ? undefined : this.loaded(id);
  }

  /** The next who asks looks for the newest again. */
  forgetNewest(environment: string, purpose: Purpose): void {
    this.#newest.delete(`${environment} ${purpose}`);
  }

  /** Forgets one key. */
  unload(id: string): void {
    this.#loaded.delete(id);
  }

  /** Keeps a key of an environment; while sealed nothing is kept. */
  load(key: WrappingKey, newestOf: { readonly environment: string; readonly purpose: Purpose } | null): void {
    if (this.sealed) return;
    this.#loaded.set(key.id, key);
    // Whoever read slowly does not put back what was replaced meanwhile.
    const newest = newestOf === null ? undefined : this.newest(newestOf.environment, newestOf.purpose);
    if (newestOf !== null && (newest === undefined || newest.version <= key.version)) {
      this.#newest.set(`${newestOf.environment} ${newestOf.purpose}`, key.id);
    }
    if (this.#loaded.size <= MAX_LOADED) return;
    const [oldest] = this.#loaded.keys();
    this.#loaded.delete(oldest as string);
  }
}

function keysOf({ root, previousRoot, sealKey }: Unsealed): KeyObject[] {
  return [root.key, sealKey, ...(previousRoot === null ? [] : [previousRoot.key])];
}
