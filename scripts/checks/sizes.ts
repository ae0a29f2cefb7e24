import { lineCount } from './source.ts';
import type { Rule, Tree } from './tree.ts';

const LONGEST = 400;
const LONG = 300;
const LONG_SHARE = 0.05;
const MEDIAN = 100;

/** Files that a person reads in one go. */
export const sizes: Rule = {
  name: 'sizes',
  *check(tree) {
    const lines = sized(tree);
    for (const { path, count } of lines) {
      if (count > LONGEST) yield { path, message: `has ${count} lines; ${LONGEST} is the most` };
    }
    const long = lines.filter(({ count }) => count >= LONG);
    if (long.length > lines.length * LONG_SHARE) {
      const message = `${long.length} of ${lines.length} files have ${LONG} lines or more; 1 in 20 may`;
      yield { path: long.map(({ path }) => path).join(', '), message };
    }
    const median = lines[Math.floor(lines.length / 2)]?.count ?? 0;
    if (median >= MEDIAN) yield { path: '.', message: `the median file has ${median} lines; it stays under ${MEDIAN}` };
  },
};

/** Migrations, generated code and vectors grow by what they hold, not by how they are written. */
function sized({ sources }: Tree): { path: string; count: number }[] {
  return sources
    .filter(({ path }) => !/\/(?:migrations|generated|vectors)\//.test(path))
    .map(({ path, text }) => ({ path, count: lineCount(text) }))
    .sort((a, b) => a.count - b.count);
}
