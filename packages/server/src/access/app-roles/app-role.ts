import { type Address, containsAddress, packNetworks, parseAddress } from '@keyhold/verifier/networks';
import type { Scope } from '@keyhold/protocol/state';
import type { AppRoleRow, AppRoleSecretRow } from '../../database/workload-rows.ts';

/** What an app role may be given: what it opens is nobody's but a service's. */
export const APP_ROLE_SCOPES: readonly Scope[] = ['admin', 'keys', 'read', 'verify'];

export interface AppRoleSettings {
  readonly scopes: readonly Scope[];
  /** 0: as long as most. */
  readonly tokenTtlSeconds: number;
  /** 0: no end. */
  readonly secretTtlSeconds: number;
  /** 0: no end. */
  readonly secretUses: number;
  readonly networks: readonly string[];
}

export const DEFAULT_SETTINGS: Omit<AppRoleSettings, 'scopes'> = {
  tokenTtlSeconds: 0,
  secretTtlSeconds: 0,
  secretUses: 0,
  networks: [],
};

const USUAL_TTL_SECONDS = 900;

/** How long a token lasts, in seconds. */
export function tokenTtlOf({ tokenTtlSeconds }: Pick<AppRoleSettings, 'tokenTtlSeconds'>): number {
  return tokenTtlSeconds === 0 ? USUAL_TTL_SECONDS : tokenTtlSeconds;
}

export function settingsOf(row: AppRoleRow): AppRoleSettings {
  return {
    scopes: JSON.parse(row.scopes) as Scope[],
    tokenTtlSeconds: row.token_ttl,
    secretTtlSeconds: row.secret_ttl,
    secretUses: row.secret_uses,
    networks: JSON.parse(row.networks) as string[],
  };
}

/** Whether every list of networks that is not empty has the address; in doubt not. */
export function isInside(lists: readonly (readonly string[])[], ip: string): boolean {
  const address: Address | null = parseAddress(ip);
  return lists.every((networks) => {
    if (networks.length === 0) return true;
    const packed = packNetworks(networks);
    return packed instanceof Uint8Array && address !== null && containsAddress(packed, address);
  });
}

/** Whether a secret id is good now, wherever it comes from. */
export function isGood({ state, expires_at, uses_left }: AppRoleSecretRow, nowMs: number): boolean {
  return state === 'active' && (expires_at === null || nowMs < expires_at) && uses_left !== 0;
}
