import type { Malformed } from '../dialect.ts';

export function malformed(text: string): Malformed {
  return { malformed: text };
}

export function isRefused(value: unknown): value is Malformed {
  return typeof value === 'object' && value !== null && 'malformed' in value;
}
