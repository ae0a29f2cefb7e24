import type { Rule } from './tree.ts';

const EMPTY_NAME = /(?:^|[-.])(?:utils?|helpers?|common|managers?|misc)(?:[-.]|$)/;

/** A name that fits everything gathers everything. */
export const fileNames: Rule = {
  name: 'file-names',
  *check({ sources }) {
    for (const { path } of sources) {
      const part = path.split('/').find((name) => EMPTY_NAME.test(name));
      if (part !== undefined) yield { path, message: `"${part}" says nothing: name it after what it holds` };
    }
  },
};
