import type { Rule, Tree } from './tree.ts';

const PAGE = 'docs/decisions/dependencies.md';
const LISTS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;
const EXACT = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;
/** `| name | version | …`, the name in backquotes. */
const ROW = /^\| `([^`]+)` \| ([^ |]+) \|/gm;

/** Every direct dependency has one exact version, and its line with why it is there. */
export const dependencies: Rule = {
  name: 'dependencies',
  *check(tree) {
    const rows = new Map(
      [...(tree.read(PAGE) ?? '').matchAll(ROW)].map(([, name = '', version = '']) => [name, version]),
    );
    const used = new Set<string>();
    for (const { path, name, version } of declared(tree)) {
      if (!EXACT.test(version)) yield { path, message: `${name} "${version}" is not an exact version` };
      if (name.startsWith('@keyhold/')) continue;
      used.add(name);
      const row = rows.get(name);
      if (row === undefined) yield { path, message: `${name} has no line in ${PAGE}` };
      else if (row !== version) yield { path: PAGE, message: `says ${name} ${row}; ${path} says ${version}` };
    }
    for (const name of rows.keys()) {
      if (!used.has(name)) yield { path: PAGE, message: `has a line for ${name}, which nobody depends on` };
    }
  },
};

function* declared({ manifests, read }: Tree): Iterable<{ path: string; name: string; version: string }> {
  for (const path of manifests) {
    const manifest = JSON.parse(read(path) ?? '{}') as Partial<Record<string, Record<string, string>>>;
    for (const list of LISTS) {
      for (const [name, version] of Object.entries(manifest[list] ?? {})) yield { path, name, version };
    }
  }
}
