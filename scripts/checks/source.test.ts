import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSource } from './source.ts';

const TEXT = [
  "import { a } from 'x'; // import { z } from 'comment'",
  "const s = `text ${a + `inner ${b} Date.now()`} import { q } from 'template'`;",
  'const r = /[\'`"]/g;',
  'import type { T } from "y";',
  'export {',
  '  type A,',
  "} from './z.ts';",
  "await import('dynamic');",
  "import 'side';",
  "import whole, { type R } from 'k';",
  'const sentence = "import { n } from \'string\'";',
  '',
].join('\n');

describe('sources are read as the compiler reads them', () => {
  const { imports, code } = readSource('a.ts', TEXT);

  it('every form of import is found at its line, and none in comments, strings and templates', () => {
    assert.deepEqual(imports.map(({ specifier, line }) => `${specifier}:${line}`).sort(), [
      './z.ts:5',
      'dynamic:8',
      'k:10',
      'side:9',
      'x:1',
      'y:4',
    ]);
  });

  it('an import is of types only when nothing of it is left at run time', () => {
    const typeOnly = imports.filter((imported) => imported.typeOnly).map(({ specifier }) => specifier);
    assert.deepEqual(typeOnly.sort(), ['./z.ts', 'y']);
  });

  it('code within templates stays, text goes, and every line keeps its length', () => {
    assert.match(code, /a \+/);
    assert.doesNotMatch(code, /Date\.now|inner|comment|sentence = "import/);
    assert.deepEqual(
      code.split('\n').map((line) => line.length),
      TEXT.split('\n').map((line) => line.length),
    );
  });
});
