import { type Exceptions, isExcepted, isProduct } from './places.ts';
import { lineAt } from './source.ts';
import type { Rule } from './tree.ts';

const EXCEPTIONS: Exceptions = {
  'packages/server/src/config.ts': 'is the reader',
  'packages/cli/src/environment.ts': 'is the reader of the command, which imports no server',
  'packages/server/src/main.ts': 'hands the environment to config.ts, unread',
};

/** The environment is read in one place, once. */
export const environment: Rule = {
  name: 'environment',
  *check({ sources }) {
    for (const { path, code, imports } of sources.filter(({ path }) => isProduct(path))) {
      if (isExcepted(EXCEPTIONS, path)) continue;
      const message = 'reads the environment; only config.ts does';
      for (const match of code.matchAll(/\bprocess\s*\.\s*env\b|\bprocess\s*\[/g)) {
        yield { path, line: lineAt(code, match.index), message };
      }
      for (const { specifier, line } of imports) {
        if (/^(?:node:)?process$/.test(specifier)) yield { path, line, message };
      }
    }
  },
};
