import type { Quota, RateLimit } from '@keyhold/protocol/feed';
import type { KeyRow } from '../database/schema.ts';
import { isOpen } from './key-rules.ts';

/** Whether a key with these permissions does more than read. */
export function doesMoreThanRead(permissions: readonly string[]): boolean {
  return permissions.some((permission) => !permission.endsWith(':read'));
}

/** What a change says, as far as it may let a key do more. */
export interface Wanted {
  readonly permissions?: readonly string[];
  readonly allowedNetworks?: readonly string[];
  readonly addressBook?: readonly string[];
  readonly startsAt?: string | null;
  readonly expiresAt?: string | null;
  readonly rateLimits?: readonly RateLimit[];
  readonly quota?: Quota | null;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
}

/** What lies around a key, as far as that says what it may do. */
export interface Around {
  /** That it may send funds to now. */
  readonly addresses: readonly string[];
  /** Its environment's rules keep something from keys whose networks keep nobody out: to be kept to some gives that. */
  readonly takesNetworks: boolean;
}

/** Whether a change adds permissions, networks or addresses. In doubt it does: a network within another counts as new. */
export function addsToKey(
  key: KeyRow,
  addresses: readonly string[],
  { permissions, allowedNetworks, addressBook }: Wanted,
): boolean {
  const networks = JSON.parse(key.allowed_networks) as string[];
  return (
    adds(JSON.parse(key.permissions) as string[], permissions) ||
    (networks.length > 0 && (allowedNetworks?.length === 0 || adds(networks, allowedNetworks))) ||
    adds(addresses, addressBook)
  );
}

/**
 * Whether a change lets a key do more than before: other permissions, networks or addresses, for longer or sooner. In
 * doubt it does.
 */
export function widensKey(key: KeyRow, { addresses, takesNetworks }: Around, wanted: Wanted): boolean {
  const { allowedNetworks, startsAt, expiresAt } = wanted;
  const networks = JSON.parse(key.allowed_networks) as string[];
  const [began, begins] = [key.starts_at ?? 0, startsAt === undefined ? (key.starts_at ?? 0) : timeOf(startsAt, 0)];
  return (
    addsToKey(key, addresses, wanted) ||
    (takesNetworks && allowedNetworks !== undefined && isOpen(networks) && !isOpen(allowedNetworks)) ||
    (expiresAt !== undefined && timeOf(expiresAt, Infinity) > (key.expires_at ?? Infinity)) ||
    begins < began ||
    // The days that it has without networks begin with it.
    (takesNetworks && begins > began && isOpen(allowedNetworks ?? networks))
  );
}

/**
 * Whether a change gives anything: what widens a key, higher limits, or other metadata, which whoever guards an API may go
 * by. What doesn't waits for nobody's approval. In doubt it does: limits over another time count as higher.
 */
export function loosensKey(key: KeyRow, around: Around, wanted: Wanted): boolean {
  const { rateLimits, quota, metadata } = wanted;
  return (
    widensKey(key, around, wanted) ||
    (rateLimits !== undefined && !(JSON.parse(key.rate_limits) as RateLimit[]).every(isKeptBy(rateLimits))) ||
    (quota !== undefined && key.quota !== null && !isWithin(quota, JSON.parse(key.quota) as Quota)) ||
    metadata !== undefined
  );
}

function isKeptBy(after: readonly RateLimit[]): (limit: RateLimit) => boolean {
  return ({ name, limit, windowSeconds, withoutStore }) =>
    after.some(
      (one) =>
        one.name === name &&
        one.limit <= limit &&
        one.windowSeconds === windowSeconds &&
        one.withoutStore === withoutStore,
    );
}

function isWithin(after: Quota | null, before: Quota): boolean {
  return (
    after !== null &&
    after.limit <= before.limit &&
    after.period === before.period &&
    after.withoutStore === before.withoutStore
  );
}

function adds(before: readonly string[], after: readonly string[] | undefined): boolean {
  const had = new Set(before);
  return after?.some((item) => !had.has(item)) ?? false;
}

function timeOf(text: string | null, none: number): number {
  return text === null ? none : Date.parse(text);
}
