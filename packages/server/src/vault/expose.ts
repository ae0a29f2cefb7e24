import { inspect } from 'node:util';

let read: (secret: Secret) => string;

/** A secret on its way to the one who is meant to have it: prints, logs and serialises as `[secret]`. */
export class Secret {
  readonly #value: string;

  static {
    read = (secret) => secret.#value;
  }

  constructor(value: string) {
    this.#value = value;
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/**
 * The secret itself. Importing this is the permission to show it: only routes that answer with it may.
 * @throws TypeError for what is no secret
 */
export function expose(secret: Secret): string {
  return read(secret);
}
