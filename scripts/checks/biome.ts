import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The linter's binary for this machine. Its wrapper package is not needed (docs/decisions/dependencies.md). */
export function biomeBinary(root: string): string {
  const name = `@biomejs/cli-${process.platform}-${process.arch}`;
  const binary = join(root, 'node_modules', name, 'biome');
  if (existsSync(binary)) return binary;
  throw new Error(`${name} is not installed: run "node scripts/setup.mjs", or lint on linux x64 or arm64`);
}
