import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { cleanEnvironment, MAIN, runKeyhold } from './testing/run-keyhold.ts';

let folder: string;
const children: ChildProcess[] = [];
before(() => void (folder = mkdtempSync(join(tmpdir(), 'keyhold-cli-'))));
after(() => {
  // A server that a failed test left running would keep this file waiting.
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Starts `keyhold …` with a channel on which a server tells its parent that it serves. */
async function start(args: readonly string[], env: Record<string, string>): Promise<[ChildProcess, { url: string }]> {
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: [...stdio], env: cleanEnvironment(env) });
  children.push(child);
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${args[0]} ended with ${code}`)));
  ended.catch(() => {});
  const [started] = (await Promise.race([once(child, 'message'), ended])) as [{ url: string }];
  return [child, started];
}

/** What the child of a process was started with; null where no system tells. */
function environmentOfChild({ pid }: ChildProcess): ReadonlyMap<string, string> | null {
  if (!existsSync('/proc/self/status')) return null;
  const child = readdirSync('/proc').find((name) => {
    const status = `/proc/${name}/status`;
    return /^\d+$/.test(name) && existsSync(status) && readFileSync(status, 'utf8').includes(`\nPPid:\t${pid}\n`);
  });
  const variables = readFileSync(`/proc/${child}/environ`, 'utf8').split('\0');
  return new Map(variables.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]));
}

async function stop(child: ChildProcess, signal: 'SIGINT' | 'SIGTERM'): Promise<number> {
  const exit = once(child, 'exit');
  child.kill(signal);
  return (await exit)[0] as number;
}

const serve = () => {
  const env = { KEYHOLD_KEY_FILE: join(folder, 'root.key'), KEYHOLD_LOG_LEVEL: 'warn' };
  return start(['serve', '--data', join(folder, 'data'), '--port', '0', '--no-verifier'], env);
};

it('serve and verifier run the server with their flags, and end with it on SIGTERM and SIGINT', async () => {
  const data = join(folder, 'data');
  const [control, { url }] = await serve();
  assert.ok(existsSync(join(data, 'bootstrap-token')));
  assert.equal((await fetch(new URL('/health/ready', url))).status, 200);
  const create = ['tokens', 'create', '--name', 'verifier', '--scope', 'feed', '--json'];
  const created = await runKeyhold(create, { env: { KEYHOLD_URL: url, KEYHOLD_DATA: data } });
  const tokenFile = join(folder, 'feed-token');
  writeFileSync(tokenFile, JSON.parse(created.stdout).secret, { mode: 0o600 });
  const [verifier, { url: verifierUrl }] = await start(
    ['verifier', '--control', url, '--token-file', tokenFile, '--verifier-port', '0'],
    { KEYHOLD_LOG_LEVEL: 'warn' },
  );
  assert.equal((await fetch(new URL('/health/live', verifierUrl))).status, 200);
  const threads = String(Math.max(4, availableParallelism()));
  const started = environmentOfChild(verifier);
  if (started !== null) assert.equal(started.get('UV_THREADPOOL_SIZE'), threads, 'a thread for each core');
  assert.equal(await stop(verifier, 'SIGINT'), 0);
  assert.equal(await stop(control, 'SIGTERM'), 0);
  await assert.rejects(fetch(new URL('/health/live', url)), 'the server ended with the command');
});

it('a command that is killed takes its server with it', async () => {
  const [control, { url }] = await serve();
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write('GET /health/live HTTP/1.1\r\nHost: keyhold\r\n\r\n');
  await once(socket, 'data');
  const closed = once(
    socket.on('error', () => {}),
    'close',
  );
  control.kill('SIGKILL');
  await closed;
});

it('witness runs a witness with its flags, and ends with it', async () => {
  // The example of c2sp.org/signed-note.
  const log = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const flags = ['--state', join(folder, 'witness'), '--name', 'witness.test/w1', '--log', log, '--port', '0'];
  const [witness, { url }] = await start(['witness', ...flags], {});
  assert.equal((await fetch(new URL('/health/live', url))).status, 200);
  assert.equal(await stop(witness, 'SIGTERM'), 0);
  await assert.rejects(fetch(new URL('/health/live', url)));
  const open = await runKeyhold(['witness', ...flags, '--host', '0.0.0.0']);
  assert.equal(open.code, 2);
  assert.match(open.stderr, /0\.0\.0\.0 is not a loopback address: give --tls-cert/);
});

it("the server's own exit code and words come through", async () => {
  const refused = await runKeyhold(['serve', '--colour', 'red']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--colour/);
});

it('a database file that is none is named, as a setting that cannot be used is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-no-database-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'keyhold.db'), 'this is no database'.repeat(1000), { mode: 0o600 });
  const { code, stderr } = await runKeyhold(['serve', '--data', folder, '--port', '0', '--no-verifier']);
  assert.equal(code, 2, stderr);
  assert.equal(stderr, `keyhold: cannot use ${join(folder, 'keyhold.db')}: file is not a database\n`);
});
