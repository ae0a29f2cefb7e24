import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestPlace } from './databases.ts';
import { copyTestDatabase } from './postgres.ts';

/** A database as it was once, to be put back as an intruder would, or a backup. Nobody may have it open meanwhile. */
export interface KeptDatabase extends AsyncDisposable {
  putBack(): Promise<void>;
}

export async function keepDatabase({ folder, databaseUrl }: TestPlace): Promise<KeptDatabase> {
  if (databaseUrl !== undefined) return copyTestDatabase(databaseUrl);
  const kept = mkdtempSync(join(tmpdir(), 'keyhold-kept-'));
  const [own, copy] = [join(folder, 'keyhold.db'), join(kept, 'keyhold.db')];
  copyFileSync(own, copy);
  return {
    putBack: async () => {
      for (const part of ['', '-wal', '-shm']) rmSync(`${own}${part}`, { force: true });
      copyFileSync(copy, own);
    },
    [Symbol.asyncDispose]: async () => rmSync(kept, { recursive: true }),
  };
}
