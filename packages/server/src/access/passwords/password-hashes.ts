import { timingSafeEqual } from 'node:crypto';
import { keyOfPassphrase, newPassphraseParameters } from '../../vault/passphrase-seal.ts';

/** Each takes 64 MiB and a fifth of a second: strangers must not take all there is. */
const AT_ONCE = 2;
const MAX_WAITING = 16;

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const toText = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '');

/** Passwords as argon2id hashes (RFC 9106) in PHC strings, a few at a time. */
export class PasswordHashes {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** What strangers are compared with: they wait as long as others. */
  #nobodys: string | undefined;

  /** Null where too many ask at once. */
  async make(password: string): Promise<string | null> {
    return await this.#inTurn(() => hashOf(password));
  }

  /**
   * Whether a password is that of a hash; null where too many ask at once.
   * @param phc null: nobody's
   */
  async verify(phc: string | null, password: string): Promise<boolean | null> {
    return await this.#inTurn(async () => {
      this.#nobodys ??= await hashOf('nobody signs in with this');
      const isRight = await isOf(phc ?? this.#nobodys, password);
      return phc !== null && isRight;
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T | null> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= MAX_WAITING) return null;
      await new Promise<void>((go) => this.#waiting.push(go));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

async function hashOf(password: string): Promise<string> {
  const parameters = newPassphraseParameters();
  const { memoryKiB, passes, parallelism, salt } = parameters;
  const key = await keyOfPassphrase(parameters, password);
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${toText(Buffer.from(salt, 'hex'))}$${toText(key)}`;
}

async function isOf(phc: string, password: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', key = ''] = PHC.exec(phc) ?? [];
  if (memory === undefined) return false;
  const cost = { memoryKiB: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const parameters = { kind: 'passphrase', ...cost, salt: Buffer.from(salt, 'base64').toString('hex') } as const;
  const found = await keyOfPassphrase(parameters, password);
  const known = Buffer.from(key, 'base64');
  return found.length === known.length && timingSafeEqual(found, known);
}
