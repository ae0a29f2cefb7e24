import { type ChildProcess, fork } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Clock } from '../clock.ts';
import type { HsmAnswer, HsmCall } from './hsm-call.ts';
import { Turns } from './turns.ts';

const PROCESS = fileURLToPath(new URL('./hsm-process.ts', import.meta.url));
/** Making a key takes a small HSM seconds; what takes longer than this does not come back. */
const TIMEOUT_MS = 15_000;

/** What is needed to talk to an HSM. */
export interface HsmSettings {
  readonly clock: Clock;
  /** For the library, which has settings of its own there. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/** Uses keys in tokens, each call in a process of its own, one at a time. */
export class Hsm {
  readonly #settings: HsmSettings;
  /** Two at once would both miss a key and both make one. */
  readonly #turns = new Turns();
  /** Until each has ended: after its answer a library may still hold it up. */
  readonly #running = new Set<ChildProcess>();
  #stopped = false;

  constructor(settings: HsmSettings) {
    this.#settings = settings;
  }

  /** The bytes, the caller's to wipe, or why not. Takes as long as the timeout says at most, once it is its turn. */
  async call(call: HsmCall): Promise<Buffer | Refusal> {
    const unusable = looseModule(call.module);
    if (unusable !== null) return refuse('HSM_MODULE_UNUSABLE', unusable);
    const answer = await this.#turns.take(() => this.#ask(call));
    if ('failed' in answer) return refuse(answer.failed, answer.detail);
    // The memory that it came in: a copy would leave this one behind.
    const { buffer, byteOffset, byteLength } = answer.bytes;
    return Buffer.from(buffer, byteOffset, byteLength);
  }

  /** Whoever waits for an answer, or for his turn, is told that there is none: nobody waits for an HSM to stop. */
  stop(): void {
    this.#stopped = true;
    for (const child of this.#running) child.kill('SIGKILL');
  }

  async #ask(call: HsmCall): Promise<HsmAnswer> {
    if (this.#stopped) return { failed: 'HSM_UNAVAILABLE', detail: 'The server stops, and asks the HSM no more.' };
    const { clock, environment, timeoutMs = TIMEOUT_MS } = this.#settings;
    // Deaf on stdout and stderr: what a library prints is not ours to vouch for.
    const options = {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'] as const,
      execArgv: [],
      serialization: 'advanced' as const,
    };
    const child = fork(PROCESS, [], { ...options, stdio: [...options.stdio], env: { ...environment } });
    this.#keep(child);
    const { promise, resolve } = Promise.withResolvers<HsmAnswer>();
    const gone = (detail: string) => resolve({ failed: 'HSM_UNAVAILABLE', detail });
    const cancel = clock.after(timeoutMs, () => {
      gone(`The HSM did not answer within ${timeoutMs / 1000} s.`);
      child.kill('SIGKILL');
    });
    child.once('message', (answer) => resolve(answer as HsmAnswer));
    child.once('exit', (code, signal) => gone(`The PKCS#11 module ended its process (${signal ?? code}).`));
    child.once('error', () => gone('The process that talks to the HSM could not be started.'));
    child.send(call, () => {});
    return await promise.finally(() => {
      cancel();
      endSoon(child, clock);
    });
  }

  /** INVARIANT: it does not outlive this process, however that ends, unless it is killed: the library may never let it go. */
  #keep(child: ChildProcess): void {
    const kill = () => void child.kill('SIGKILL');
    this.#running.add(child);
    process.once('exit', kill);
    const ended = () => {
      this.#running.delete(child);
      process.off('exit', kill);
    };
    child.once('exit', ended);
    // What could not be started has no exit.
    child.once('error', () => child.pid === undefined && ended());
  }
}

/** After its answer it ends by itself, unless the library does not let it. */
function endSoon(child: ChildProcess, clock: Clock): void {
  const cancel = clock.after(1000, () => child.kill('SIGKILL'));
  child.once('exit', cancel);
}

/**
 * Why that library is not to be loaded: it runs with the rights of this process, so nobody with other rights may have
 * written it.
 */
function looseModule(path: string): string | null {
  if (!isAbsolute(path)) return 'The PKCS#11 module is named by its absolute path on the server.';
  try {
    // Both ends of a link: who can turn it chooses what is loaded.
    const file = realpathSync(path);
    const isOurs = [file, dirname(file), dirname(path)]
      .map((one) => statSync(one))
      .every(({ uid, mode }) => (uid === 0 || uid === process.getuid?.()) && (mode & 0o022) === 0);
    if (isOurs) return null;
    return `The PKCS#11 module ${path}, or its folder, belongs to another user or can be written by others.`;
  } catch (error) {
    return `There is no PKCS#11 module at ${path} (${(error as NodeJS.ErrnoException).code}).`;
  }
}
