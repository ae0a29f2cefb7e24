import assert from 'node:assert/strict';
import type { Judge, Shown } from './shown.ts';

type Counts = Readonly<Record<string, number>>;

/** Everything that the judge looks at is accepted; counted by kind. */
export async function accept({ name, kinds, judge }: Judge, shown: readonly Shown[]): Promise<Counts> {
  const looked = shown.filter(({ kind }) => kinds.includes(kind));
  for (const [i, answer] of (await judge(looked)).entries()) {
    assert.equal(answer, null, `${name} refuses a ${looked[i]?.kind}`);
  }
  const counts: Record<string, number> = {};
  for (const { kind } of looked) counts[kind] = (counts[kind] ?? 0) + 1;
  for (const kind of kinds) assert.ok((counts[kind] ?? 0) > 0, `${name} was shown no ${kind}`);
  return counts;
}

/** Everything that the judge looks at is refused; counted by where the flipped byte was, 0 where it looks at none such. */
export async function refuse(
  { name, kinds, judge }: Judge,
  flipped: Readonly<Record<string, readonly Shown[]>>,
): Promise<Counts> {
  const counts: Record<string, number> = {};
  for (const [where, shown] of Object.entries(flipped)) {
    const looked = shown.filter(({ kind }) => kinds.includes(kind));
    for (const answer of await judge(looked)) assert.notEqual(answer, null, `${name} accepts a flipped ${where}`);
    counts[where] = looked.length;
  }
  return counts;
}

export function countsOf(counts: Counts): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
