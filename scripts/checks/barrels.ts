import { type Exceptions, isExcepted } from './places.ts';
import type { Rule } from './tree.ts';

const EXCEPTIONS: Exceptions = {
  'packages/server/src/clock.ts': "the control plane's clock is the verifier's, under the one name the rooms import",
  'packages/server/src/vault/secret.ts': 'parts who may hold a secret from who may show one',
};

/** A file of nothing but re-exports ties its room into one knot. */
export const barrels: Rule = {
  name: 'barrels',
  *check({ sources }) {
    for (const { path, code, imports } of sources) {
      if (isExcepted(EXCEPTIONS, path) || !imports.some(({ reexport }) => reexport)) continue;
      const rest = code.replace(/\b(?:import|export)\b[^;'"]*\bfrom\s*(['"])\s*\1\s*;?/g, '').trim();
      if (rest === '') yield { path, message: 'only hands on what others export: import from where it is made' };
    }
  },
};
