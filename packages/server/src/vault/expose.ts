import { inspect } from 'node:util';

const values = new WeakMap<Secret, string>();

/** A secret on its way to the one who is meant to have it: prints, logs and serialises as `[secret]`. */
export class Secret {
  constructor(value: string) {
    values.set(this, value);
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

/** The secret itself. Importing this is the permission to show it: only routes that answer with it may. */
export function expose(secret: Secret): string {
  const value = values.get(secret);
  if (value === undefined) throw new TypeError('not a secret');
  return value;
}
