import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createPlace } from '../testing/databases.ts';
import { havePythonSdk } from '../testing/missing-part.ts';
import { shareMarket } from '../testing/shared-market.ts';

const SDK = fileURLToPath(new URL('../../../../sdk-python/', import.meta.url));

/** Runs Python in the folder of the SDK; what it needs to know, tokens among it, goes through stdin. */
async function run(python: string, args: readonly string[], input: object = {}): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '', PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(python, ['-W', 'error::ResourceWarning', ...args], { cwd: SDK, stdio: 'pipe', env });
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(input));
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'close'),
  ]);
  assert.equal(code, 0, stderr.join('') + stdout.join(''));
  return [...stdout, ...stderr].join('');
}

function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return found.filter((name) => !name.includes('__pycache__')).sort();
}

/** Names what ran, and fails where that was nothing. */
function report(t: TestContext, output: string, atLeast: number): void {
  const ran = Number(/^Ran (\d+) tests? in/m.exec(output)?.[1] ?? 0);
  for (const line of output.split('\n').filter((line) => /^\.?\d+ (?:vectors|refusals|requests)/.test(line))) {
    t.diagnostic(line.replace(/^\./, ''));
  }
  t.diagnostic(`${ran} tests in Python`);
  assert.ok(ran >= atLeast, output);
}

describe('the SDK for Python', () => {
  it('signs as the vectors have it, and sends what it signed with requests and httpx', async (t) => {
    const python = havePythonSdk(t);
    if (python !== null) report(t, await run(python, ['-m', 'unittest', 'discover', '-t', '.', '-s', 'tests']), 14);
  });

  it('is a package that installs, with its types, which hold', async (t) => {
    const python = havePythonSdk(t);
    if (python === null) return;
    const folder = mkdtempSync(join(tmpdir(), 'keyhold-sdk-python-'));
    try {
      // A build leaves its traces beside the sources.
      cpSync(SDK, join(folder, 'copy'), { recursive: true });
      const install = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-index'];
      const where = ['--no-build-isolation', '--target', join(folder, 'installed'), join(folder, 'copy')];
      await run(python, ['-m', 'pip', ...install, ...where]);
      const installed = filesIn(join(folder, 'installed', 'keyhold'));
      assert.deepEqual(installed, filesIn(join(SDK, 'keyhold')));
      assert.ok(installed.includes('py.typed'));
      await run(python, ['-m', 'mypy', '--cache-dir', join(folder, 'mypy'), 'keyhold']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the SDK for Python, against an installation,', () => {
  // What a client sends is the same whatever the server writes to.
  const shared = shareMarket(() => createPlace('sqlite'));

  it('signs in each dialect, verifies, and manages keys, and its README holds', async (t) => {
    const python = havePythonSdk(t);
    if (python === null) return;
    const { controlUrl: control, verifierUrl: verifier, bootstrapToken: token } = shared().installation;
    const output = await run(python, ['-m', 'unittest', 'tests.installation_tests'], { control, verifier, token });
    report(t, output, 12);
  });
});
