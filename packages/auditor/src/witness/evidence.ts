import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkpoint } from '@keyhold/protocol/log/checkpoint';
import { sha256 } from '../note-crypto.ts';
import { writeDurably } from './durable-file.ts';
import type { Contradiction } from './judge.ts';

/** Two notes of one log that contradict each other, or seem to. */
export interface Evidence {
  readonly kind: Contradiction;
  readonly origin: string;
  readonly atSeconds: number;
  readonly sizes: { readonly cosigned: number; readonly refused: number };
  /** Signed notes. */
  readonly cosigned: string;
  readonly refused: string;
}

/** Of each log and kind: what a stranger can bring about, failing proofs, takes no room from what only the log can. */
const MAX_KEPT = 32;
/** What can be the fault of a proof gives its room up after so long, so that a log is heard that tries on and on. */
const UNPROVEN_SECONDS = 60;

/** Keeps what logs said against themselves, once each. */
export class EvidenceFolder {
  readonly #folder: string;
  readonly #kept = new Map<string, Evidence>();
  readonly #loudly: (line: string) => void;

  constructor(folder: string, loudly: (line: string) => void) {
    this.#folder = folder;
    this.#loudly = loudly;
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
      try {
        this.#kept.set(name, JSON.parse(readFileSync(join(folder, name), 'utf8')) as Evidence);
      } catch {
        loudly(`evidence/${name} can't be read and is left as it is`);
      }
    }
  }

  /** Oldest first. */
  list(): readonly Evidence[] {
    return [...this.#kept.values()].sort((a, b) => a.atSeconds - b.atSeconds);
  }

  keep(evidence: Evidence, refused: Checkpoint): void {
    const { kind, origin, sizes } = evidence;
    const digest = sha256(Buffer.from(`${origin}\n${refused.size}\n${Buffer.from(refused.root).toString('hex')}`));
    const name = `${kind}-${Buffer.from(digest).toString('hex').slice(0, 32)}.json`;
    if (this.#kept.has(name) || !this.#makeRoom(evidence)) return;
    this.#kept.set(name, evidence);
    this.#loudly(
      `ALARM: ${WORDS[kind]}: ${origin}, cosigned at ${sizes.cosigned}, refused at ${sizes.refused}; ` +
        `both notes are in evidence/${name}`,
    );
    this.#write(name, evidence);
  }

  /** INVARIANT: only what anybody can bring about with the log's public notes gives way, and within a minute none. */
  #makeRoom({ kind, origin, atSeconds }: Evidence): boolean {
    const alike = [...this.#kept].filter(([, kept]) => kept.kind === kind && kept.origin === origin);
    if (alike.length < MAX_KEPT) return true;
    const [oldest] = alike.sort(([, a], [, b]) => a.atSeconds - b.atSeconds);
    if (kind !== 'unproven' || oldest === undefined || atSeconds - oldest[1].atSeconds < UNPROVEN_SECONDS) return false;
    this.#kept.delete(oldest[0]);
    rmSync(join(this.#folder, oldest[0]), { force: true });
    return true;
  }

  #write(name: string, evidence: Evidence): void {
    try {
      writeDurably(join(this.#folder, name), `${JSON.stringify(evidence, null, 2)}\n`);
    } catch (error) {
      // The log is refused all the same, and both notes stay in memory.
      this.#loudly(`evidence/${name} can't be written: ${(error as Error).message}`);
    }
  }
}

const WORDS: Readonly<Record<Contradiction, string>> = {
  forked: 'the log signed two trees of one size',
  shrunk: 'the log signed a smaller tree after a larger one',
  unproven: 'the log signed a tree that was not shown to continue what it signed before',
};
