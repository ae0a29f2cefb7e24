import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Where a module says what it takes from another; at the beginning of a line, as every tool writes it. */
const IMPORTS = /^((?:import|export)\b[^'"]*?\bfrom\s*|import\s*)(['"])([^'"]+)\2/gm;

/**
 * A module and all that it stands on as an import map, so that one file holds them: what is named there comes from
 * the file itself, and from nowhere else.
 * @returns the map, with the entry under the name `entry`
 */
export function embedModules(entry: string): { readonly imports: Readonly<Record<string, string>> } {
  const names = new Map<string, string>([[entry, 'entry']]);
  const imports: Record<string, string> = {};
  for (const [file, name] of names) {
    const require = createRequire(pathToFileURL(file));
    const source = readFileSync(file, 'utf8');
    const code = (file.endsWith('.ts') ? stripTypeScriptTypes(source) : source).replace(
      IMPORTS,
      (_, before: string, quote: string, specifier: string) => {
        const target = require.resolve(specifier);
        if (!names.has(target)) names.set(target, `m${names.size}`);
        return `${before}${quote}${names.get(target)}${quote}`;
      },
    );
    imports[name] = `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`;
  }
  return { imports };
}
