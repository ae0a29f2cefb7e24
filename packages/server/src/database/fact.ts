/** What every fact has: an id and its own 32 random bytes, which its digests in the ledger are salted with. */
export interface Fact {
  readonly id: string;
  readonly salt: string;
}
