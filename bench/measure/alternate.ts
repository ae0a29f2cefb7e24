/** For trying a script out: fewer alternations over smaller data. Its numbers are no figures. */
export const QUICK = process.env['KEYHOLD_BENCH_QUICK'] === '1';

const ALTERNATIONS = QUICK ? 3 : 7;

/** `full`, or `quick` when only trying out. */
export function sized(full: number, quick: number): number {
  return QUICK ? quick : full;
}

/**
 * Runs every side once an alternation and returns what each gave, in order. The order turns around each time, so
 * that a machine growing slower or faster favours none.
 */
export async function alternate<S extends string, T>(
  sides: Readonly<Record<S, () => Promise<T>>>,
): Promise<Record<S, T[]>> {
  const names = Object.keys(sides) as S[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<S, T[]>;
  for (let i = 0; i < ALTERNATIONS; i++) {
    for (const name of i % 2 === 0 ? names : names.toReversed()) results[name].push(await sides[name]());
  }
  return results;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The smallest value that at least `share` of all values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number;
}

/** CPU-seconds of this process, all threads, since its start. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
