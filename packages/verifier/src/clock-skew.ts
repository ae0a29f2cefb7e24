/** How far signers' clocks are off, by the most that a count is of; the last has no end. Milliseconds, behind us. */
const BOUNDS = [
  [0, 'ahead'],
  [1_000, 'within 1 s'],
  [5_000, 'within 5 s'],
  [30_000, 'within 30 s'],
  [Number.POSITIVE_INFINITY, 'beyond 30 s'],
] as const;

export type SkewBand = (typeof BOUNDS)[number][1];

/** Counts signed requests by how far the signer's clock was behind, network included. */
export class ClockSkew {
  readonly #counts = new Map<SkewBand, number>(BOUNDS.map(([, band]) => [band, 0]));

  get counts(): ReadonlyMap<SkewBand, number> {
    return this.#counts;
  }

  note(skewMs: number): void {
    const band = BOUNDS.find(([below]) => skewMs < below)?.[1] ?? 'beyond 30 s';
    this.#counts.set(band, (this.#counts.get(band) as number) + 1);
  }
}
