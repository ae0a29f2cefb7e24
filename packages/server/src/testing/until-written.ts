import assert from 'node:assert/strict';
import type { ProcessInstallation } from './process-installation.ts';

const PAUSE_MS = 250;

/** Waits until a process's log has that many entries, however long that takes; what its checkpoint covers of them. */
export async function untilWritten({ call, control }: ProcessInstallation, entries: number): Promise<number> {
  for (;;) {
    const { body } = await call('GET', '/v1/audit/log');
    if (body.sequence >= entries) return body.size > 0 ? body.size : body.sequence;
    assert.ok(control.running, control.output());
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
