import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** True when strace can be run. Where it can't: in CI a failure, elsewhere named as not tested. */
export function haveStrace(t: TestContext): boolean {
  return have(t, 'strace', spawnSync('strace', ['-V']).status === 0);
}

/** True when that program can be run. */
export function haveProgram(t: TestContext, program: 'curl' | 'nginx' | 'caddy'): boolean {
  const asked = { curl: '--version', nginx: '-v', caddy: 'version' }[program];
  return have(t, program, spawnSync(program, [asked]).error === undefined);
}

/** True when a suite that needs openssl is to be run: always in CI, where it then fails without. */
export function wantsOpenssl(): boolean {
  return process.env['CI'] === 'true' || spawnSync('openssl', ['version']).error === undefined;
}

/** A whole file of test vectors of others, or null where they were not handed over. */
export function readVectors<T>(t: TestContext, file: string): T | null {
  const folder = process.env['KEYHOLD_VECTORS'];
  if (!have(t, 'KEYHOLD_VECTORS', folder !== undefined)) return null;
  return JSON.parse(readFileSync(join(folder as string, file), 'utf8')) as T;
}

/** A part that a test needs; in CI none may be missing, elsewhere the test says what it did not test. */
export function have(t: TestContext, part: string, isThere: boolean): boolean {
  if (isThere) return true;
  if (process.env['CI'] === 'true') throw new Error(`${part} is missing, and in CI everything is tested`);
  t.diagnostic(`not tested: ${part} is missing`);
  return false;
}

/** The Python that can import hvac, and hvac's own sources with its tests; `.ci/run` gets both. */
export function haveHvac(t: TestContext): { readonly python: string; readonly sources: string } | null {
  const [python, sources] = [process.env['KEYHOLD_HVAC_PYTHON'], process.env['KEYHOLD_HVAC_SOURCES']];
  const there = python !== undefined && sources !== undefined;
  return have(t, 'hvac (KEYHOLD_HVAC_PYTHON, KEYHOLD_HVAC_SOURCES)', there) && there ? { python, sources } : null;
}

/** A Python that has what `sdk-python/` stands on, and what it is tested with; `.ci/run` makes it. */
export function havePythonSdk(t: TestContext): string | null {
  const python = process.env['KEYHOLD_SDK_PYTHON'];
  return have(t, 'Python with the packages of sdk-python/ (KEYHOLD_SDK_PYTHON)', python !== undefined)
    ? (python ?? null)
    : null;
}

/** SOPS, which `.ci/run` builds. */
export function haveSops(t: TestContext): string | null {
  const sops = process.env['KEYHOLD_SOPS'];
  return have(t, 'SOPS (KEYHOLD_SOPS)', sops !== undefined) && sops !== undefined ? sops : null;
}

/** Envoy's program, which `.ci/run` gets. */
export function haveEnvoy(t: TestContext): string | null {
  const envoy = process.env['KEYHOLD_ENVOY'];
  return have(t, 'Envoy (KEYHOLD_ENVOY)', envoy !== undefined) && envoy !== undefined ? envoy : null;
}

/** Where Chromium is; null where it is missing, which is a failure in CI. */
export function chromiumPath(): string | null {
  const found = spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], { encoding: 'utf8' });
  const path = found.stdout.trim();
  if (path === '' && process.env['CI'] === 'true')
    throw new Error('Chromium is missing, and in CI everything is tested');
  return path === '' ? null : path;
}
