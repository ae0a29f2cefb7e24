import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWitness, type WitnessProcess } from '@keyhold/auditor/testing/witness-process';
import type { Config } from '../config.ts';
import type { TestPlace } from './databases.ts';
import { startInstallation, type TestInstallation } from './installation.ts';

/** An installation whose log has keys, with what its witnesses need to know of it. */
export interface KnownLog {
  readonly origin: string;
  /** Verifier keys. */
  readonly keys: readonly string[];
}

/** Starts an installation once, as an operator does before he tells witnesses of it. */
export async function knownLog(place: TestPlace, changes: Partial<Config> = {}): Promise<KnownLog> {
  await using installation = await startInstallation(place, changes);
  // A first checkpoint makes the keys.
  await installation.call('GET', '/v1/audit/entries/1/receipt');
  const { origin, keys } = (await installation.call('GET', '/v1/audit/log')).body;
  return { origin, keys };
}

/** Real witnesses of one log, each with its folder, and a policy that names them. */
export class TestWitnesses implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'keyhold-witnesses-'));
  readonly #log: KnownLog;
  readonly #running = new Map<string, WitnessProcess>();
  /** Addresses outlive the processes: a witness comes back where it was. */
  readonly #ports = new Map<string, number>();

  constructor(log: KnownLog) {
    this.#log = log;
  }

  get policyFile(): string {
    return join(this.folder, 'policy');
  }

  of(name: string): WitnessProcess {
    return this.#running.get(name) as WitnessProcess;
  }

  async start(name: string, logs = this.#log.keys): Promise<WitnessProcess> {
    const port = this.#ports.get(name) ?? 0;
    const folder = join(this.folder, name);
    const witness = await startWitness({ folder, name: `witness.test/${name}`, logs, port });
    this.#running.set(name, witness);
    this.#ports.set(name, witness.port);
    return witness;
  }

  /** Names witnesses by their first key, which is of ML-DSA-44, and others as they are given. */
  writePolicy(quorum: string, others: readonly string[] = []): string {
    const lines = [...this.#running].map(
      ([name, { verifierKeys, url }]) => `witness ${name} ${verifierKeys[0]} ${url}`,
    );
    writeFileSync(this.policyFile, `${[...lines, ...others, quorum].join('\n')}\n`);
    return this.policyFile;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const witness of this.#running.values()) await witness.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The codes of the alarms that an installation shows. */
export async function alarmsOf({ call }: Pick<TestInstallation, 'call'>): Promise<string[]> {
  const { body } = await call('GET', '/v1/installation');
  return body.alarms.map(({ code }: { code: string }) => code);
}

/** Makes a change; its headers say what became of it. */
export async function change({ call }: Pick<TestInstallation, 'call'>, slug: string, level?: string) {
  return await call(
    'POST',
    '/v1/projects',
    { slug, name: slug },
    level === undefined ? {} : { headers: { 'keyhold-ack': level } },
  );
}
