import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSource, type SourceFile } from './source.ts';

/** The repository, or a fixture that stands for one. */
export interface Tree {
  /** TypeScript and JavaScript files; fixtures, generated and installed files aside. */
  readonly sources: readonly SourceFile[];
  /** The text of any file, undefined where there is none. */
  read(path: string): string | undefined;
  /** Every package.json, from the root. */
  readonly manifests: readonly string[];
}

export interface Violation {
  readonly path: string;
  /** From 1; absent where the whole file is meant. */
  readonly line?: number;
  readonly message: string;
}

/** A rule of the house. */
export interface Rule {
  readonly name: string;
  check(tree: Tree): Iterable<Violation>;
}

const FOLDERS = ['packages', 'examples', 'scripts', 'bench'];
const ASIDE = new Set(['node_modules', 'dist', 'fixtures']);
/** Fixtures carry this ending, so that no compiler, formatter or test runner takes them for the project's own. */
const FIXTURE_ENDING = '.txt';

export function readTree(root: string): Tree {
  const paths = FOLDERS.flatMap((folder) => walk(root, folder));
  return {
    sources: paths.filter((path) => /\.(?:ts|tsx|mjs)$/.test(path)).map((path) => readSource(path, load(root, path))),
    read: (path) => (existsSync(join(root, path)) ? load(root, path) : undefined),
    manifests: ['package.json', ...paths.filter((path) => /^(?:packages|examples)\/[^/]+\/package\.json$/.test(path))],
  };
}

/** A fixture's tree: every file in it carries one more ending. */
export function readFixture(folder: string): Tree {
  const files = new Map<string, string>();
  for (const path of walk(folder, '')) files.set(path.slice(0, -FIXTURE_ENDING.length), load(folder, path));
  return treeOf(files);
}

/** A tree in memory. */
export function treeOf(files: ReadonlyMap<string, string>): Tree {
  const sources = [...files].filter(([path]) => /\.(?:ts|tsx|mjs)$/.test(path));
  return {
    sources: sources.map(([path, text]) => readSource(path, text)),
    read: (path) => files.get(path),
    manifests: [...files.keys()].filter((path) => /(?:^|\/)package\.json$/.test(path)),
  };
}

function load(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function walk(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return ASIDE.has(entry.name) ? [] : walk(root, path);
  });
}
