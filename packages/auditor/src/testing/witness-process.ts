import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { originHash } from '@keyhold/protocol/log/add-checkpoint';
import { type NoteKey, readVerifierKey } from '@keyhold/protocol/log/signed-note';
import { sha256 } from '../note-crypto.ts';
import type { StartedWitness } from '../witness/main.ts';

const ENTRY = fileURLToPath(new URL('../witness/main.ts', import.meta.url));

export interface WitnessOptions {
  readonly folder: string;
  readonly name?: string;
  /** Verifier keys of logs. */
  readonly logs: readonly string[];
  readonly port?: number;
  /** Modules that are loaded before the entry, and their settings. */
  readonly imports?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

/** A witness in a process of its own, as an operator runs it. */
export interface WitnessProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly keys: readonly NoteKey[];
  readonly verifierKeys: readonly string[];
  /** What it wrote to stdout and stderr. */
  output(): string;
  /** Messages on its channel after the first. */
  readonly messages: unknown[];
  post(body: string | Uint8Array): Promise<HttpAnswer>;
  get(path: string): Promise<HttpAnswer>;
  /** The newest note that it cosigned of a log. */
  newest(origin: string): Promise<HttpAnswer>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Resolves when it has ended, to its code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** It ended before it served. */
class WitnessNotStarted extends Error {
  override readonly name = 'WitnessNotStarted';
}

/** What it needs of this process's environment. */
function inherited(): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? { PATH } : { PATH, NODE_COMPILE_CACHE };
}

/** @throws WitnessNotStarted with what it said */
export async function startWitness(options: WitnessOptions): Promise<WitnessProcess> {
  const { folder, name = 'witness.test/w1', logs, port = 0, imports = [], env = {} } = options;
  const flags = ['--state', folder, '--name', name, '--port', String(port), ...logs.flatMap((key) => ['--log', key])];
  const child = spawn(process.execPath, [...imports.flatMap((module) => ['--import', module]), ENTRY, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...inherited(), ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const started = await Promise.race([
    once(child, 'message').then(([message]) => message as StartedWitness),
    once(child, 'close').then(([code]) => Promise.reject(new WitnessNotStarted(`ended with ${code}: ${output}`))),
  ]);
  const messages: unknown[] = [];
  child.on('message', (message) => messages.push(message));
  const call = async (path: string, body?: string | Uint8Array): Promise<HttpAnswer> => {
    const sent = body === undefined ? {} : { method: 'POST', body: body as string };
    const response = await fetch(new URL(path, started.url), sent);
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return {
    url: started.url,
    port: Number(new URL(started.url).port),
    keys: started.keys.map((key) => readVerifierKey(sha256, key) as NoteKey),
    verifierKeys: started.keys,
    output: () => output,
    messages,
    post: (body) => call('/add-checkpoint', body),
    get: (path) => call(path),
    newest: (origin) => call(`/${originHash(sha256, origin)}/checkpoint`),
    kill,
    ended,
    [Symbol.asyncDispose]: kill,
  };
}
