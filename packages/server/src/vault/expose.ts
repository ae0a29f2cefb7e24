import { Silent } from './silent.ts';

let read: (secret: Secret) => string;

/** A secret on its way to the one who is meant to have it. */
export class Secret extends Silent {
  readonly #value: string;

  static {
    read = (secret) => secret.#value;
  }

  constructor(value: string) {
    super();
    this.#value = value;
  }
}

/**
 * The secret itself. Importing this is the permission to show it: only routes that answer with it may.
 * @throws TypeError for what is no secret
 */
export function expose(secret: Secret): string {
  return read(secret);
}
