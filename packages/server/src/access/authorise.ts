import type { Scope } from '@keyhold/protocol/state';
import type { Principal } from './principal.ts';

/**
 * Scopes that open each action; `admin` opens all of them. Deny by default: an action without a row is refused.
 * One table, so that it can be read as a whole.
 */
const SCOPES_OF_ACTION = {
  'projects.create': [],
  'projects.read': ['keys', 'read'],
  'environments.create': [],
  'environments.read': ['keys', 'read'],
  'permissions.set': [],
  'permissions.read': ['keys', 'read'],
  'signing.set': [],
  'signing.read': ['keys', 'read'],
  'rules.set': [],
  'rules.read': ['keys', 'read'],
  'consumers.create': ['keys'],
  'consumers.read': ['keys', 'read'],
  'factors.enrol': ['keys'],
  'factors.read': ['keys', 'read'],
  'factors.remove': ['keys'],
  'keys.issue': ['keys'],
  'keys.read': ['keys', 'read'],
  'keys.change': ['keys'],
  'keys.rotate': ['keys'],
  'keys.suspend': ['keys'],
  'keys.resume': ['keys'],
  'keys.revoke': ['keys'],
  'keys.destroy': ['keys'],
  'tokens.create': [],
  'tokens.read': [],
  'tokens.revoke': [],
  'workloads.create': [],
  'workloads.read': [],
  'workloads.remove': [],
  'audit.read': ['read'],
  'audit.erase': [],
  'audit.export': [],
  'audit.prune': [],
  'seal.read': ['read'],
  'seal.unseal': [],
  'seal.change': [],
  'secrets.read': ['read'],
  'secrets.write': [],
  'secrets.reveal': [],
  'secrets.destroy': [],
  'backup.create': [],
  'vault-keys.read': ['read'],
  'vault-keys.rotate': [],
  'transit.read': ['read'],
  'transit.use': [],
  'transit.manage': [],
  'installation.read': ['read'],
  'installation.accept-restore': [],
} as const satisfies Record<string, readonly Scope[]>;

export type Action = keyof typeof SCOPES_OF_ACTION;

/** A decision names the rule that made it. */
export interface Decision {
  readonly allowed: boolean;
  readonly rule: string;
}

/** Whether the principal's scopes open the action, wherever that may be. */
export function authorise(principal: Principal, action: Action): Decision {
  const opening: readonly Scope[] = ['admin', ...SCOPES_OF_ACTION[action]];
  const scope = opening.find((candidate) => principal.scopes.includes(candidate));
  return scope === undefined
    ? { allowed: false, rule: `${action} takes the scope ${opening.join(' or ')}` }
    : { allowed: true, rule: `scope ${scope}` };
}
