import { kindOf } from './kinds.ts';
import { isProduct } from './places.ts';
import { lineAt } from './source.ts';
import type { Rule } from './tree.ts';

/** What the domain decides must follow from what it is given: nothing is fetched, rolled or read on the way. */
export const pureDomain: Rule = {
  name: 'pure-domain',
  *check({ sources }) {
    for (const { path, code } of sources) {
      if (!isProduct(path)) continue;
      if (kindOf(path) !== 'noun' && !path.startsWith('packages/protocol/src/')) continue;
      for (const match of code.matchAll(/(?<!\.)\bfetch\s*\(|\bMath\s*\.\s*random\b|\brandomBytes\b|\brandomUUID\b/g)) {
        const message = `is a domain noun and uses ${match[0].replace(/\s*\($/, '')}; hand it what it needs`;
        yield { path, line: lineAt(code, match.index), message };
      }
    }
  },
};
