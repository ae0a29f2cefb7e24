// Runs every test on every database. Real parts are started here; what could not be had is named at the end, and in
// CI it is a failure.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountSmallDisk } from '@keyhold/server/testing/disk-faults';
import { startPostgres } from './postgres.ts';

const DEFAULT_PATTERNS = ['packages/*/src/**/*.test.ts', 'examples/*/src/**/*.test.ts', 'scripts/**/*.test.ts'];

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const patterns = args.filter((arg) => !arg.startsWith('-'));

const missing: string[] = [];
// One that was handed over is used as it is.
const postgres =
  (process.env['KEYHOLD_TEST_POSTGRES'] ?? '') !== ''
    ? null
    : await startPostgres().catch((error: Error) => {
        missing.push(`PostgreSQL (${error.message}): nothing was tested on it`);
        return null;
      });
if (spawnSync('strace', ['-V']).status !== 0) missing.push('strace: that a sync precedes each reply was not tested');

const disk = mountSmallDisk('1m');
if (disk === null) missing.push('a tmpfs to fill (only root may mount one): a full disk was not tested');
await disk?.[Symbol.asyncDispose]();

if (process.env['KEYHOLD_VECTORS'] === undefined) {
  missing.push(
    'KEYHOLD_VECTORS, the folder with test vectors of others: ciphers and signatures were not tested with them',
  );
}

if (spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser']).status !== 0) {
  missing.push('Chromium: the page for auditors, the one-time page and passkeys were not tested in a browser');
}

for (const [program, asked] of [
  ['nginx', '-v'],
  ['caddy', 'version'],
] as const) {
  if (spawnSync(program, [asked]).error !== undefined) {
    missing.push(`${program}: the example of an API behind it was not tested`);
  }
}
if (process.env['KEYHOLD_ENVOY'] === undefined) {
  missing.push('Envoy (KEYHOLD_ENVOY, its program): the example of an API behind it was not tested');
}
if (spawnSync('redis-server', ['--version']).error !== undefined) {
  missing.push('redis-server: what verifiers share (nonces, limits, quotas) was not tested');
}

const programs = { openssl: 'TLS', curl: 'the lines of npm start and of the README' };
for (const [program, tested] of Object.entries(programs)) {
  if (spawnSync(program, ['version']).error !== undefined) missing.push(`${program}: not tested: ${tested}`);
}

if (process.env['KEYHOLD_HVAC_PYTHON'] === undefined || process.env['KEYHOLD_HVAC_SOURCES'] === undefined) {
  missing.push('hvac (KEYHOLD_HVAC_PYTHON, KEYHOLD_HVAC_SOURCES): this client of Vault was not tested');
}

if (process.env['KEYHOLD_SDK_PYTHON'] === undefined) {
  missing.push('Python with the packages of sdk-python/ (KEYHOLD_SDK_PYTHON): the SDK for Python was not tested');
}

if (!hasPkcs11js()) missing.push('pkcs11js (node scripts/build-pkcs11js.mjs): the pkcs11 seal was not tested');
if (spawnSync('softhsm2-util', ['--version']).error !== undefined) {
  missing.push('softhsm2: the pkcs11 seal was not tested');
}

if (process.env['KEYHOLD_SOPS'] === undefined) {
  missing.push('SOPS (KEYHOLD_SOPS): this client of Vault was not tested');
}
if (spawnSync('go', ['version']).status !== 0) missing.push('go: that Go’s own code accepts our log was not tested');

// What each process compiles, the others find: the tests start some two thousand.
const compiled = mkdtempSync(join(tmpdir(), 'keyhold-compiled-'));

const child = spawn(
  process.execPath,
  ['--test', '--test-concurrency=2', ...options, ...(patterns.length > 0 ? patterns : DEFAULT_PATTERNS)],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: compiled,
      ...(postgres === null ? {} : { KEYHOLD_TEST_POSTGRES: postgres.url }),
    },
  },
);
process.on('SIGINT', () => child.kill('SIGINT'));
process.on('SIGTERM', () => child.kill('SIGTERM'));
const code = await new Promise<number>((resolve) => child.on('exit', (status) => resolve(status ?? 1)));

rmSync(compiled, { recursive: true, force: true });
for (const part of missing) console.error(`not run: ${part}`);
await postgres?.[Symbol.asyncDispose]();
// Explicitly: the PostgreSQL package hooks the exit, and a code that is only set gets lost in there.
process.exit(missing.length > 0 && process.env['CI'] === 'true' ? 1 : code);

function hasPkcs11js(): boolean {
  try {
    createRequire(import.meta.url).resolve('pkcs11js');
    return true;
  } catch {
    return false;
  }
}
