import { lineAt, type SourceFile } from './source.ts';
import type { Rule } from './tree.ts';

/** Packages whose exports are for others' code, which isn't here to mention them. */
const PUBLIC = /^packages\/(?:sdk|protocol)\/src\//;

const DECLARED =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(const|let|function\*?|class|interface|type)\s+([A-Za-z_$][\w$]*)/gm;
const LISTED = /^export\s+(?:type\s+)?\{([^}]*)\}/gm;

/**
 * What no other file mentions need not be exported, and often need not be. A type that its own file goes on to use is
 * let pass: it names a part of a signature that others see.
 */
export const unusedExports: Rule = {
  name: 'unused-exports',
  *check({ sources }) {
    const mentions = new Map<string, number>();
    for (const { words } of sources) for (const word of words) mentions.set(word, (mentions.get(word) ?? 0) + 1);
    for (const file of sources.filter(({ path }) => !PUBLIC.test(path))) {
      for (const { name, line, isType } of exportsOf(file)) {
        if ((mentions.get(name) ?? 0) > 1 || (isType && isNamedAgain(file, name))) continue;
        yield { path: file.path, line, message: `exports ${name}, which no other file uses` };
      }
    }
  },
};

interface Exported {
  readonly name: string;
  readonly line: number;
  readonly isType: boolean;
}

function* exportsOf({ code }: SourceFile): Iterable<Exported> {
  for (const { 1: keyword = '', 2: name = '', index } of code.matchAll(DECLARED)) {
    yield { name, line: lineAt(code, index), isType: keyword === 'interface' || keyword === 'type' };
  }
  for (const match of code.matchAll(LISTED)) {
    for (const part of (match[1] ?? '').split(',')) {
      const name =
        part
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)
          .at(-1) ?? '';
      if (name !== '') yield { name, line: lineAt(code, match.index), isType: false };
    }
  }
}

function isNamedAgain({ code }: SourceFile, name: string): boolean {
  return code.split(/[^\w$]+/).filter((word) => word === name).length > 1;
}
