import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createPlace } from './testing/databases.ts';
import { fetchReceipt } from './testing/downloaded-log.ts';
import { entryWriters } from './testing/entry-writers-module.ts';
import { type ProcessInstallation, startProcessInstallation } from './testing/process-installation.ts';
import { untilWritten } from './testing/until-written.ts';

/** `npm run soak -- log-memory` writes 1,000,000. */
const ENTRIES = Number(process.env['KEYHOLD_LOG_ENTRIES'] ?? 50_000);
const HEAP = '--max-old-space-size=256';
/** Beside the heap there is the program itself, and what lies outside of it: pages of the database, buffers. */
const MOST_BYTES = 640 * 1024 * 1024;

const VERIFY = fileURLToPath(new URL('./testing/verify-within.ts', import.meta.url));
const PEAK = new URL('./testing/peak-memory.ts', import.meta.url).href;
const CLI = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));

it('a long log is opened, proven and verified within a bounded heap', async (t) => {
  await using place = await createPlace('sqlite');
  const file = `${place.folder}.acknowledged`;
  await using _file = { [Symbol.asyncDispose]: async () => rmSync(file, { force: true }) };
  let imports: readonly string[] = [entryWriters({ until: ENTRIES, file, rows: 'fresh' })];
  await using installation = await startProcessInstallation(place, {
    wrapper: ['env', `NODE_OPTIONS=${HEAP}`],
    get imports() {
      return imports;
    },
  });
  await installation.call('POST', '/v1/tokens', { name: 'begin', scopes: ['read'] });
  const written = await untilWritten(installation, ENTRIES);
  const writing = peakOf(installation.control.pid);
  await installation.control.kill();

  imports = [];
  const started = performance.now();
  await installation.startControl();
  const seconds = (performance.now() - started) / 1_000;
  for (const sequence of [1, Math.floor(written / 2), written]) await fetchReceipt(installation, sequence);
  const cli = await verifyByCli(installation);
  assert.match(cli.stdout, /"valid": true/);
  const serving = peakOf(installation.control.pid);
  await installation.control.kill();

  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [HEAP, VERIFY, join(place.folder, 'keyhold.db')]);
  const { entries, fault, peakBytes } = JSON.parse(stdout);
  assert.equal(fault, null);
  assert.ok(entries >= ENTRIES);
  t.diagnostic(
    `${entries} entries, ${HEAP}: written in ${mib(writing)}; opened in ${seconds.toFixed(1)} s and, while it was ` +
      `read, ${mib(serving)}; followed with its rows in ${mib(peakBytes)}; "audit verify" in ${mib(cli.peakBytes)}`,
  );
  for (const peak of [writing, serving, peakBytes, cli.peakBytes]) assert.ok(peak < MOST_BYTES, `it took ${mib(peak)}`);
});

async function verifyByCli({ controlUrl, bootstrapToken }: ProcessInstallation) {
  const args = [HEAP, '--import', PEAK, CLI, 'audit', 'verify', '--json', '--url', controlUrl];
  const env = { ...process.env, KEYHOLD_TOKEN: bootstrapToken };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 1e8 });
  return { stdout, peakBytes: Number(/peak (\d+)/.exec(stderr)?.[1]) };
}

/** Most memory that a process has had (proc(5), `VmHWM`). */
function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
