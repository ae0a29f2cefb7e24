import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Judge, Shown } from './shown.ts';

const SOURCES = fileURLToPath(new URL('../../../../auditor/strangers/go/', import.meta.url));
/** Where Debian's `golang-golang-x-mod-dev` puts it: then nothing is fetched. */
const DEBIAN_PATH = '/usr/share/gocode';

export function haveGo(): boolean {
  return spawnSync('go', ['version']).status === 0;
}

/** Go's `golang.org/x/mod/sumdb/note` and `tlog`, in a program that is built into `folder`. */
export function buildGoJudge(folder: string): (verifierKey: string, log: string) => Judge {
  const program = join(folder, 'strangers');
  const source = build(program);
  return (verifierKey, log) => ({
    name: `Go's sumdb/note and tlog (${source})`,
    kinds: ['checkpoint', 'inclusion', 'consistency', 'receipt', 'tile', 'bundle', 'log'],
    judge: (shown) => ask(program, [verifierKey, log], shown),
  });
}

/** By `go.sum`; where that Go is too old for it, or no module can be had, with Debian's package. */
function build(program: string): string {
  const run = (what: readonly string[], env: Readonly<Record<string, string>>) =>
    spawnSync('go', ['build', '-o', program, ...what], {
      cwd: SOURCES,
      encoding: 'utf8',
      env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', ...env },
    });
  const pinned = run(['.'], { GOFLAGS: '-mod=readonly' });
  if (pinned.status === 0) return 'as go.sum has it';
  const files = readdirSync(SOURCES).filter((name) => name.endsWith('.go'));
  const packaged = existsSync(DEBIAN_PATH) ? run(files, { GO111MODULE: 'off', GOPATH: DEBIAN_PATH }) : null;
  if (packaged?.status === 0) return 'of Debian';
  throw new Error(`the Go program can't be built: ${pinned.stderr}${packaged?.stderr ?? ''}`);
}

async function ask(program: string, args: readonly string[], shown: readonly Shown[]): Promise<(string | null)[]> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const answered = text(child.stdout);
  for (const one of shown) {
    if (!child.stdin.write(`${JSON.stringify(inBase64(one))}\n`)) await once(child.stdin, 'drain');
  }
  child.stdin.end();
  const [code] = await ended;
  const answers = (await answered).trimEnd().split('\n');
  if (code !== 0 || answers.length !== shown.length) throw new Error(`the Go program ended with ${code}`);
  return answers.map((answer) => (answer === 'ok' ? null : answer));
}

function inBase64(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(inBase64);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inBase64(member)]));
}
