import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Redis } from 'ioredis';

const MOVED_CLOCK = join(import.meta.dirname, 'moved-clock.c');

/** True when redis-server can be run. Where it can't: in CI a failure, elsewhere named as not tested. */
export function haveRedis(t: TestContext): boolean {
  return have(t, 'redis-server');
}

/** The same of one whose clock can be moved, which takes a compiler. */
export function haveMovableRedis(t: TestContext): boolean {
  return have(t, 'redis-server') && have(t, 'cc');
}

function have(t: TestContext, command: string): boolean {
  if (spawnSync(command, ['--version']).error === undefined) return true;
  if (process.env['CI'] === 'true') throw new Error(`${command} is missing, and in CI everything is tested`);
  t.diagnostic(`not tested: ${command} is missing`);
  return false;
}

/** A Redis of one test's own, on a free port of loopback, in a folder that goes with it. */
export class RealRedis implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly #settings: readonly string[];
  #environment: NodeJS.ProcessEnv = process.env;
  #process: ChildProcess | null = null;

  private constructor(port: number, settings: readonly string[]) {
    this.port = port;
    this.#settings = settings;
    this.folder = mkdtempSync(join(tmpdir(), 'keyhold-redis-'));
  }

  /** @param settings as on the command line, `--name value`; persistence is off where they don't say otherwise */
  static async start(...settings: string[]): Promise<RealRedis> {
    const redis = new RealRedis(await RealRedis.freePort(), settings);
    await redis.start();
    return redis;
  }

  /** One whose wall clock {@link moveClock} moves. */
  static async movable(): Promise<RealRedis> {
    const redis = new RealRedis(await RealRedis.freePort(), []);
    const library = join(redis.folder, 'moved-clock.so');
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', library, MOVED_CLOCK, '-ldl']);
    if (status !== 0) throw new Error(`cc: ${stderr}`);
    redis.#environment = { ...process.env, LD_PRELOAD: library, KEYHOLD_TEST_CLOCK: redis.#clockFile };
    redis.moveClock(0);
    await redis.start();
    return redis;
  }

  get #clockFile(): string {
    return join(this.folder, 'clock');
  }

  /** @param aheadMs of the machine's clock, whole seconds */
  moveClock(aheadMs: number): void {
    writeFileSync(`${this.#clockFile}.new`, `${aheadMs / 1000}`);
    renameSync(`${this.#clockFile}.new`, this.#clockFile);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Returns when it answers. */
  async start(): Promise<void> {
    const own = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.folder, '--save', ''];
    const child = spawn('redis-server', [...own, ...this.#settings], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#process = child;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${log.slice(-1_000)}`)));
      child.stdout?.on('data', (text: Buffer) => {
        log += text.toString();
        if (/Ready to accept connections/.test(log)) resolve();
      });
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  /** As when the machine loses power, but for what the kernel has. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Free a moment ago; taken by nobody who doesn't ask the system for one. */
  static async freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    return port;
  }

  /** A connection of the test's own. */
  connect(): { readonly client: Redis } & Disposable {
    const client = new Redis(this.port, '127.0.0.1');
    return { client, [Symbol.dispose]: () => client.disconnect() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
