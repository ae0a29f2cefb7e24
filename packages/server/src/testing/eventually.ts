import assert from 'node:assert/strict';

const PATIENCE_MS = 15_000;
const PAUSE_MS = 25;

/** Looks again until `look` finds something: for what another process reports in its own time. */
export async function eventually<T>(what: string, look: () => Promise<T | null | undefined | false>): Promise<T> {
  for (const start = performance.now(); performance.now() - start < PATIENCE_MS; ) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  assert.fail(`waited ${PATIENCE_MS} ms in vain: ${what}`);
}
