import { Compile } from 'typebox/compile';
import { SecretPath } from '@keyhold/protocol/operations/secrets';

const paths = Compile(SecretPath);

/** A path as secrets have it, or null: Vault's clients may end one with `/`, which names a folder and no secret. */
export function secretPath(path: string): string | null {
  return paths.Check(path) ? path : null;
}

/** The folder that a list is of, as secrets' paths begin in it: empty for the root, else ending in `/`. */
export function folderPrefix(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end--;
  const trimmed = path.slice(0, end);
  return trimmed === '' ? '' : `${trimmed}/`;
}

/** Names right below a folder, of paths in order: secrets as they are, folders ending in `/`, each once. */
export function namesBelow(prefix: string, sorted: readonly string[]): string[] {
  const names = new Set<string>();
  for (const path of sorted) {
    const rest = path.slice(prefix.length);
    const slash = rest.indexOf('/');
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
  }
  return [...names].sort();
}
