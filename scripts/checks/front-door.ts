import { lineCount } from './source.ts';
import type { Rule } from './tree.ts';

const MOST_SCRIPTS = 8;
const README_UNDER = 150;

/** What a newcomer meets first stays small. */
export const frontDoor: Rule = {
  name: 'front-door',
  *check({ read }) {
    const { scripts = {} } = JSON.parse(read('package.json') ?? '{}') as { scripts?: Record<string, string> };
    const count = Object.keys(scripts).length;
    if (count > MOST_SCRIPTS)
      yield { path: 'package.json', message: `has ${count} scripts; ${MOST_SCRIPTS} is the most` };
    const lines = lineCount(read('README.md') ?? '');
    if (lines >= README_UNDER)
      yield { path: 'README.md', message: `has ${lines} lines; it stays under ${README_UNDER}` };
  },
};
