import { hash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Head } from './chain.ts';

/** Where the ledger stood when it last answered. */
export interface HeadMark extends Pick<Head, 'installation' | 'sequence' | 'hash'> {
  /** Of the tree over all entries up to it, hex: it can be made when the entry was given up. Older records have none. */
  readonly root?: string;
}

/** Two places that are written in turn, so that a write that was cut off leaves the one before. The longest takes 254. */
const SLOT_BYTES = 256;
const SLOTS = 2;
const UNSYNCED_FOLDER: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP']);

/**
 * The rollback guard: the newest sequence and its hash, in a file that does not lie with the database. Written after
 * COMMIT and before the reply. The first write after a start is synced, with the folder, and the others go over it in its
 * place: what a power cut takes of them makes it older, never wrong and never empty.
 */
export class HeadRecord implements Disposable {
  readonly #file: number;
  readonly #folder: string;
  #slot: number;
  #first = true;

  private constructor(file: number, folder: string, slot: number) {
    this.#file = file;
    this.#folder = folder;
    this.#slot = slot;
  }

  /** Opens the record, and reads what it says: `missing` where nothing was ever written, or it was emptied. */
  static open(path: string): { record: HeadRecord; mark: HeadMark | 'missing' | 'damaged' } {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600);
    const marks = Array.from({ length: SLOTS }, (_, slot) => readSlot(file, slot));
    const newest = marks.reduce<number>(
      (best, mark, slot) => ((mark?.sequence ?? -1) > (marks[best]?.sequence ?? -1) ? slot : best),
      0,
    );
    const record = new HeadRecord(file, dirname(path), (newest + 1) % SLOTS);
    return { record, mark: marks[newest] ?? (fstatSync(file).size === 0 ? 'missing' : 'damaged') };
  }

  write({ installation, sequence, hash: head, root }: HeadMark): void {
    const text = JSON.stringify({ installation, sequence, hash: head, root });
    const line = `${checkOf(text)} ${text}`.padEnd(SLOT_BYTES - 1);
    // The first time in both: after a rollback that was accepted the one before would be the newer still.
    for (let i = this.#first ? SLOTS : 1; i > 0; i--) {
      writeSync(this.#file, `${line}\n`, this.#slot * SLOT_BYTES);
      this.#slot = (this.#slot + 1) % SLOTS;
    }
    if (this.#first) this.#sync();
    this.#first = false;
  }

  #sync(): void {
    fsyncSync(this.#file);
    const folder = openSync(this.#folder, 'r');
    try {
      fsyncSync(folder);
    } catch (error) {
      // Some file systems sync no folders; the file is synced.
      if (!UNSYNCED_FOLDER.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    } finally {
      closeSync(folder);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

function readSlot(file: number, slot: number): HeadMark | null {
  const bytes = Buffer.alloc(SLOT_BYTES);
  readSync(file, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES);
  const [check = '', ...rest] = bytes.toString('utf8').trim().split(' ');
  const text = rest.join(' ');
  return text !== '' && checkOf(text) === check ? (JSON.parse(text) as HeadMark) : null;
}

function checkOf(text: string): string {
  return hash('sha256', `keyhold/v1/head ${text}`, 'hex').slice(0, 16);
}
