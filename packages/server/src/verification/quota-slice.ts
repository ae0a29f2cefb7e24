/** What one verifier holds of a period's units. */
export interface Slice {
  /** Units that it may use, and those that it is known to have used. */
  readonly granted: number;
  readonly used: number;
}

/** A verifier's question about one period of a key, and what is known of it. */
export interface Asked {
  readonly limit: number;
  /** As the verifier says. */
  readonly mine: Slice;
  /** Units that it wants beyond what it holds; 0: it only gives back. */
  readonly wanted: number;
  /** Of every other verifier that asked in this period, those that are gone too: nobody knows what they used. */
  readonly others: readonly Slice[];
  /** Units reported as used, by whomever. */
  readonly reported: number;
}

/** A slice is this part of a quota at most: it is what a verifier that crashes takes with it. */
const LARGEST_PART = 16;

/**
 * How many units the verifier may use now, of all that it was ever handed in the period.
 * INVARIANT: what is handed out, together, is never above the limit, and never above it with what is known to be used.
 */
export function handOut({ limit, mine, wanted, others, reported }: Asked): { granted: number; usedByAll: number } {
  // Who counted alone may have used more than he was handed.
  const held = (slice: Slice) => Math.max(slice.granted, slice.used);
  const handedOut = others.reduce((sum, slice) => sum + held(slice), held(mine));
  const used = others.reduce((sum, slice) => sum + slice.used, mine.used);
  const usedByAll = Math.max(reported, used);
  // What nobody's slice accounts for was used all the same: before there were slices, or without a control plane.
  const left = limit - handedOut - (usedByAll - used);
  if (wanted === 0 || left <= 0) return { granted: mine.granted, usedByAll };
  // The less is left the smaller, so that the last units don't lie with whoever does not need them.
  const share = Math.ceil(Math.min(limit / LARGEST_PART, left / (2 * (others.length + 1))));
  return { granted: mine.granted + Math.min(left, Math.max(wanted, share)), usedByAll };
}
