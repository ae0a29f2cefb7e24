/** Which subtrees a proof consists of (RFC 6962 §2.1.1, §2.1.2); their hashes are looked up by whoever keeps them. */

/** Leaves `start` to `end`, without `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A perfect subtree: 2^level leaves from index · 2^level on. */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/**
 * The subtrees of an inclusion proof, from the leaf's sibling up.
 * @throws RangeError when there is no such leaf
 */
export function inclusionRanges(index: number, size: number): Range[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`a tree of ${size} has no leaf ${index}`);
  return descend(
    size,
    (start, end) => end - start === 1,
    (middle) => index < middle,
  ).ranges;
}

/**
 * The subtrees of a consistency proof, in its order.
 * @throws RangeError unless 0 < from ≤ to: nothing is proven of an empty tree
 */
export function consistencyRanges(from: number, to: number): Range[] {
  if (!(from > 0 && from <= to)) throw new RangeError(`no consistency can be shown from ${from} to ${to}`);
  const { ranges, last } = descend(
    to,
    (_, end) => end === from,
    (middle) => from <= middle,
  );
  // The older tree itself is known to whoever checks.
  return last.start === 0 ? ranges : [last, ...ranges];
}

/** Halves the tree until `isLast`; the halves that were left aside, the smallest first. */
function descend(
  size: number,
  isLast: (start: number, end: number) => boolean,
  isLeft: (middle: number) => boolean,
): { ranges: Range[]; last: Range } {
  let [start, end] = [0, size];
  const ranges: Range[] = [];
  while (!isLast(start, end)) {
    const middle = start + splitOf(end - start);
    if (isLeft(middle)) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  return { ranges: ranges.reverse(), last: { start, end } };
}

/** Largest power of two below `size`. */
function splitOf(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** The perfect subtrees that a subtree of a proof is made of, the largest first. */
export function perfectNodes({ start, end }: Range): Node[] {
  const nodes: Node[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (at % (width * 2) === 0 && at + width * 2 <= end) {
      width *= 2;
      level++;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}
