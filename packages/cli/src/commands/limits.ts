import type { Quota } from '@keyhold/protocol/feed';
import type { Key } from '@keyhold/protocol/operations/keys';

/** Rate limits as the flag takes them: `minute=100/60`, `minute=100/60,refuse`. */
export function rateLimits({ rateLimits: limits }: Pick<Key, 'rateLimits'>): string[] {
  return limits.map((one) => `${one.name}=${one.limit}/${one.windowSeconds}${withoutStore(one)}`);
}

/** A quota as the flag takes it: `1000/day`, `1000/day,refuse`. */
export function quota({ quota: of }: Pick<Key, 'quota'>): string | null {
  return of === null ? null : `${of.limit}/${of.period}${withoutStore(of)}`;
}

function withoutStore({ withoutStore: holds }: Pick<Quota, 'withoutStore'>): string {
  return holds === 'refuse' ? ',refuse' : '';
}
