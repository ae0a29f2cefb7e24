import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { originHash } from '@keyhold/protocol/log/add-checkpoint';
import { sha256 } from '../note-crypto.ts';
import { type Cosigner, newKeys, openKey, type StoredKey } from './cosigner.ts';
import { writeDurably } from './durable-file.ts';
import { lockFolder } from './lock-folder.ts';
import { StateUnusable } from './state-unusable.ts';

/** `witness.json`: who this witness is, and for which logs it has a file. */
interface Identity {
  readonly version: 1;
  readonly name: string;
  readonly keys: readonly StoredKey[];
  readonly origins: readonly string[];
}

const IDENTITY = 'witness.json';
const CHECKPOINT = '.checkpoint';
/** What the file of a log says that nothing of was cosigned yet. */
const NOTHING = 'old 0\n';

/**
 * All that a witness has to remember. INVARIANT: what is missing or can't be read is never taken for "nothing cosigned
 * yet": from there any tree would be cosigned, also one that contradicts what was.
 */
export class StateFolder implements Disposable {
  readonly path: string;
  readonly cosigners: readonly Cosigner[];
  readonly #lock: Disposable;
  #identity: Identity;

  private constructor(path: string, lock: Disposable, identity: Identity) {
    this.path = path;
    this.#lock = lock;
    this.#identity = identity;
    try {
      this.cosigners = identity.keys.map((key) => openKey(identity.name, key));
    } catch {
      throw new StateUnusable(`${join(path, IDENTITY)} holds a key that is none: restore it from a copy`);
    }
  }

  /**
   * Opens the folder of a witness, or makes it.
   * @throws StateUnusable
   */
  static open(path: string, name: string): StateFolder {
    if (!existsSync(path)) mkdirSync(path, { recursive: true, mode: 0o700 });
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new StateUnusable(`the state folder ${path} is open to others: chmod 700 ${path}`);
    }
    const lock = lockFolder(path);
    try {
      return new StateFolder(path, lock, openIdentity(path, name));
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Origins that this witness ever had a file for. */
  get origins(): readonly string[] {
    return this.#identity.origins;
  }

  /** Gives a log that is new here its file, which from then on has to be there. */
  begin(origin: string): void {
    const { origins } = this.#identity;
    if (origins.includes(origin)) return;
    // A file whose origin was not yet written down, because a kill came between the two.
    if (!existsSync(this.#file(origin))) writeDurably(this.#file(origin), NOTHING);
    this.#identity = { ...this.#identity, origins: [...origins, origin] };
    writeIdentity(this.path, this.#identity);
  }

  /**
   * The note that was cosigned last, or null where nothing was yet.
   * @throws StateUnusable
   */
  read(origin: string): string | null {
    const file = this.#file(origin);
    if (!existsSync(file)) throw new StateUnusable(`${file} is missing, which says what was cosigned of ${origin}`);
    const text = readFileSync(file, 'utf8');
    return text === NOTHING ? null : text;
  }

  /** Durable when it returns. */
  write(origin: string, note: string): void {
    writeDurably(this.#file(origin), note);
  }

  #file(origin: string): string {
    return join(this.path, `${originHash(sha256, origin)}${CHECKPOINT}`);
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

function openIdentity(path: string, name: string): Identity {
  const file = join(path, IDENTITY);
  if (!existsSync(file)) {
    if (readdirSync(path).some((other) => other.endsWith(CHECKPOINT))) {
      throw new StateUnusable(
        `${file} is missing, though logs were cosigned here: restore it, or take an empty folder`,
      );
    }
    const identity: Identity = { version: 1, name, keys: newKeys(), origins: [] };
    writeIdentity(path, identity);
    return identity;
  }
  chmodSync(file, 0o600);
  const identity = readIdentity(file);
  if (identity.name !== name) {
    throw new StateUnusable(`this witness is ${identity.name}: a name stays; take another folder for ${name}`);
  }
  return identity;
}

function readIdentity(file: string): Identity {
  let identity: Identity | null = null;
  try {
    identity = JSON.parse(readFileSync(file, 'utf8')) as Identity;
  } catch {
    // Below: whatever it is, it is none.
  }
  const isOne =
    identity?.version === 1 &&
    typeof identity.name === 'string' &&
    [identity.keys, identity.origins].every((list) => Array.isArray(list) && list.length <= 10_000) &&
    identity.keys.length > 0 &&
    identity.origins.every((origin) => typeof origin === 'string');
  if (identity === null || !isOne) throw new StateUnusable(`${file} can't be read: restore it from a copy`);
  return identity;
}

function writeIdentity(path: string, identity: Identity): void {
  writeDurably(join(path, IDENTITY), `${JSON.stringify(identity, null, 2)}\n`);
}
