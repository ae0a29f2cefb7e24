import { inspect } from 'node:util';

/** What holds a secret: prints, logs and serialises as `[secret]`. */
export abstract class Silent {
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
