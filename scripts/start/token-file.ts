import { renameSync, writeFileSync } from 'node:fs';

/** Writes a token where only its owner can read it, whole or not at all. */
export function writeTokenFile(path: string, secret: string): void {
  writeFileSync(`${path}.partial`, `${secret}\n`, { mode: 0o600 });
  renameSync(`${path}.partial`, path);
}
