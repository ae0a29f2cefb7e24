import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sign } from '@keyhold/sdk/signing/testing/make-vectors';
import { randomCases } from '@keyhold/sdk/signing/testing/random-cases';
import { createPlace } from '../testing/databases.ts';
import { havePythonSdk } from '../testing/missing-part.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { shareMarket } from '../testing/shared-market.ts';

const SEED = 20_260_101;
const RANDOM_CASES = 1_500;
/** What WHATWG's URL parser reads in its own way, or no request should have: not signed in Python. */
const STRICTER = /^(?:only absolute http|the host is |there is no such port|rfc9421: there is more than one Host)/;

/** One of the two. */
interface Outcome {
  readonly signed?: readonly unknown[];
  readonly refused?: string;
}

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

  it('signs as the SDK for TypeScript whatever it is given, or refuses to', async (t) => {
    const python = havePythonSdk(t);
    if (python === null) return;
    const cases = randomCases(RANDOM_CASES, seededRandom(SEED));
    const outcomes = JSON.parse(await run(python, ['-m', 'tests.sign_all'], cases)) as Outcome[];
    let signed = 0;
    for (const [index, one] of cases.entries()) {
      const { signed: actual, refused } = outcomes[index] ?? {};
      const expected = await sign(one).then(
        ({ method, url, headers, body }) => [method, url, headers, Buffer.from(body).toString('base64')],
        (error) => void assert.ok(error instanceof TypeError, `${JSON.stringify(one)}: ${error}`),
      );
      if (expected !== undefined && refused !== undefined && STRICTER.test(refused)) continue;
      assert.deepEqual(actual, expected, `${JSON.stringify(one)}: ${refused}`);
      if (expected !== undefined) signed++;
    }
    t.diagnostic(`${signed} of ${cases.length} random requests signed alike by both, the others refused`);
    assert.ok(signed > RANDOM_CASES / 3);
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
      // The name of the module is somebody else's on PyPI.
      assert.ok(readdirSync(join(folder, 'installed')).includes('keyhold_sdk-0.1.0.dist-info'));
      await run(python, ['-m', 'mypy', '--cache-dir', join(folder, 'mypy'), 'keyhold']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

it('no page tells anybody to install for Python what an index has under our name', () => {
  const pages = ['sdk-python/README.md', 'README.md', 'docs/cli.md', 'docs/flows/signed-requests.md'];
  const told = pages.map((page) => readFileSync(new URL(`../../../../${page}`, import.meta.url), 'utf8')).join('\n');
  const installs = [...told.matchAll(/pip install +([^`\n]+)/g)].map(([, what]) => what);
  assert.ok(installs.length > 0);
  for (const what of installs) assert.match(String(what), /^'?\.\/sdk-python\b/);
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
