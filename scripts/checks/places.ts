import { posix } from 'node:path';
import type { Import, SourceFile } from './source.ts';

/** Tests and what they stand on may do what the product may not. */
export function isTest(path: string): boolean {
  return /\.test\.tsx?$|\/testing\//.test(path);
}

/** What runs in the product: not scripts, not bench, no tests. */
export function isProduct(path: string): boolean {
  return /^(?:packages|examples)\//.test(path) && !isTest(path);
}

export function isServer(path: string): boolean {
  return path.startsWith(SERVER);
}

export const SERVER = 'packages/server/src/';

/** The path from the root that a relative import means; other imports as they stand. */
export function target({ path }: SourceFile, { specifier }: Import): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier;
}

/** The server room of a path from the root; '' for its root files. */
export function roomOf(path: string): string {
  const [first = '', second] = path.slice(SERVER.length).split('/');
  return second === undefined ? '' : first;
}

/** The files that a rule lets pass, each with the reason, and whether one of them stands at a path. */
export type Exceptions = Readonly<Record<string, string>>;

export function isExcepted(exceptions: Exceptions, path: string): boolean {
  return Object.hasOwn(exceptions, path);
}
