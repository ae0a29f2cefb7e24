import type { Key } from '@keyhold/protocol/operations/keys';

/** Rate limits as the flag takes them: `minute=100/60`. */
export function rateLimits({ rateLimits: limits }: Pick<Key, 'rateLimits'>): string[] {
  return limits.map(({ name, limit, windowSeconds }) => `${name}=${limit}/${windowSeconds}`);
}

/** A quota as the flag takes it: `1000/day`. */
export function quota({ quota: of }: Pick<Key, 'quota'>): string | null {
  return of === null ? null : `${of.limit}/${of.period}`;
}
