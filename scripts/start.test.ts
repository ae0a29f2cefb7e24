import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { haveProgram } from '@keyhold/server/testing/missing-part';
import { openRaw } from '@keyhold/server/testing/raw-database';
import { TestPerson } from '@keyhold/server/testing/person';
import { examplePortOf } from './start/example.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Started {
  readonly page: string;
  readonly process: ChildProcess;
}

function settings(folder: string): Record<string, string> {
  return {
    KEYHOLD_DATA: join(folder, 'data'),
    XDG_DATA_HOME: join(folder, 'home'),
    KEYHOLD_PORT: '0',
    KEYHOLD_VERIFIER_PORT: '0',
    KEYHOLD_EXAMPLE_PORT: '0',
  };
}

const running = new Set<ChildProcess>();
// What a failed test left behind would hold this file up for good.
after(() => {
  for (const child of running) child.kill('SIGINT');
});

/** Starts as `npm start` does, on free ports, and waits for its page. */
async function start(folder: string, ...flags: string[]): Promise<Started> {
  const child = spawn(process.execPath, ['scripts/start.ts', ...flags], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...settings(folder) },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let page = '';
  for await (const chunk of child.stdout) {
    page += String(chunk);
    if (page.includes('Ctrl-C')) return { page, process: child };
  }
  throw new Error(`it ended before it had started: ${page}`);
}

async function stop({ process: child }: Started): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  return await ended;
}

/** Verifiers whose lease the next start would count. */
async function holdersOf(folder: string): Promise<unknown[]> {
  await using database = await openRaw({ folder: join(folder, 'data'), databaseUrl: undefined });
  return await database.rows('select * from lease_holders');
}

function curlLines(page: string): string[] {
  return page.split('\n').flatMap((line) => (line.trim().startsWith('curl ') ? [line.trim()] : []));
}

function run(line: string): string {
  return execFileSync('bash', ['-c', line], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

it('shows three lines that do what they say, keeps its data, replaces the demo key, and leaves nothing running', async (t) => {
  if (!haveProgram(t, 'curl')) return;
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-start-'));
  try {
    const first = await start(folder);
    assert.match(first.page, /Verifier +http:\/\/127\.0\.0\.1:\d+/);
    assert.match(first.page, /Example API +http:\/\/127\.0\.0\.1:\d+/);
    const tokenFile = /Bootstrap token +(\S+)/.exec(first.page)?.[1] ?? '';
    assert.equal(resolve(ROOT, tokenFile), join(folder, 'data', 'bootstrap-token'));
    const [accepted = '', refused = ''] = curlLines(first.page);
    assert.match(run(accepted), /HTTP\/1\.1 200/);
    assert.match(run(refused), /HTTP\/1\.1 403/);
    assert.match(run(accepted), /HTTP\/1\.1 200/);
    const token = readFileSync(join(folder, 'data', 'bootstrap-token'), 'utf8');
    assert.equal(statSync(join(folder, 'data', 'bootstrap-token')).mode & 0o777, 0o600);
    assert.equal(await stop(first), 0);
    assert.deepEqual(await holdersOf(folder), [], 'the next start would wait for a lease before it takes the key away');

    const second = await start(folder);
    assert.equal(readFileSync(join(folder, 'data', 'bootstrap-token'), 'utf8'), token);
    const [again = '', , revoked = ''] = curlLines(second.page);
    assert.match(run(again), /HTTP\/1\.1 200/);
    const old = /Bearer (\S+)"/.exec(accepted)?.[1] as string;
    assert.match(run(again.replace(/Bearer \S+"/, `Bearer ${old}"`)), /HTTP\/1\.1 401/);
    assert.match(run(revoked), /"barrier":.*HTTP\/1\.1 401/s);
    assert.match(run(again), /HTTP\/1\.1 401/);
    const controlUrl = /Control plane +(\S+)/.exec(second.page)?.[1] ?? '';
    assert.match(second.page, /First owner +http:\/\/localhost:\d+\/enrol/);
    assert.equal((await new TestPerson({ controlUrl }).enrol(token.trim(), 'Ada Owner')).status, 201);
    assert.equal(existsSync(join(folder, 'data', 'bootstrap-token')), false);
    assert.equal(await stop(second), 0);
    assert.throws(() => run(again), 'the example still answers');

    // There is no bootstrap token any more: the example goes on with its own.
    const owned = await start(folder);
    assert.match(owned.page, /Sign in +http:\/\/localhost:\d+\/sign-in/);
    assert.doesNotMatch(owned.page, /bootstrap-token/);
    const [still = '', , ended = ''] = curlLines(owned.page);
    assert.match(run(still), /HTTP\/1\.1 200/);
    assert.match(run(ended), /"barrier":.*HTTP\/1\.1 401/s);
    assert.equal(await stop(owned), 0);

    const alone = await start(folder, '--no-example');
    assert.deepEqual(curlLines(alone.page), []);
    assert.equal(alone.page.includes('Example API'), false);
    assert.equal(await stop(alone), 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('leaves out what asks a verifier where none runs, says so, and makes it no token', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-start-'));
  try {
    const started = await start(folder, '--no-verifier');
    assert.equal(await stop(started), 0);
    assert.match(started.page, /The example asks a verifier, and none runs here: it is left out\./);
    assert.match(started.page, /Control plane +http/);
    assert.doesNotMatch(started.page, /undefined|Verifier|Example API/);
    await using database = await openRaw({ folder: join(folder, 'data'), databaseUrl: undefined });
    assert.deepEqual(await database.rows("select name from tokens where name like 'market-api%'"), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What it writes until it ends, at once or when `until` shows, as by a Ctrl-C that reaches every process. */
async function startAndStop(flags: string[], env: Record<string, string>, until?: RegExp) {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-start-'));
  const child = spawn(process.execPath, ['scripts/start.ts', ...flags], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...settings(folder), ...env },
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let output = '';
  let stopped = false;
  const take = (chunk: Buffer) => {
    output += String(chunk);
    if (stopped || until?.test(output) !== true) return;
    stopped = true;
    process.kill(-(child.pid as number), 'SIGINT');
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const code = await ended;
  rmSync(folder, { recursive: true, force: true });
  return { code, output };
}

it('stops during its start as asked, without a word of what could not be finished', async () => {
  const { code, output } = await startAndStop([], { KEYHOLD_LOG_LEVEL: 'info' }, /"verifierUrl".*"msg":"serving"/);
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /fetch failed|Error|\n {4}at /);
  assert.doesNotMatch(output, /Keyhold is running/);
});

it('lists its flags when asked, and when one of them is mistyped', async () => {
  const help = await startAndStop(['--help'], {});
  assert.deepEqual([help.code, help.output.includes('--no-example')], [0, true]);
  const mistyped = await startAndStop(['--no-exampel'], {});
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.output, /^keyhold: Unknown option '--no-exampel'; there are --data, /);
  const port = await startAndStop([], { KEYHOLD_EXAMPLE_PORT: 'abc' });
  assert.equal(port.code, 2);
  assert.match(port.output, /^keyhold: KEYHOLD_EXAMPLE_PORT is "abc"; it takes a port/);
});

it('the example listens on 7072, or where it is told to', () => {
  assert.equal(examplePortOf({}), '7072');
  assert.equal(examplePortOf({ KEYHOLD_EXAMPLE_PORT: '' }), '7072');
  assert.equal(examplePortOf({ KEYHOLD_EXAMPLE_PORT: '8080' }), '8080');
});
