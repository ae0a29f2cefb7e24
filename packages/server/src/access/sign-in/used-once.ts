/** What was used and must not come again, until its time is over. Only what was good is kept: strangers can fill nothing. */
export class UsedOnce {
  /** When each may be forgotten, in order of use. */
  readonly #used = new Map<string, number>();

  has(name: string): boolean {
    return this.#used.has(name);
  }

  /** False where it was used before. Times are of one clock, whichever. */
  take(name: string, now: number, until: number): boolean {
    for (const [old, end] of this.#used) {
      if (end > now) break;
      this.#used.delete(old);
    }
    if (this.#used.has(name)) return false;
    this.#used.set(name, until);
    return true;
  }
}
