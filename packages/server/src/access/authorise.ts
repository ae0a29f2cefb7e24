import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { ROLES, type Role } from '@keyhold/protocol/role';
import { SCOPES, type Scope } from '@keyhold/protocol/state';
import type { Opener } from './opener.ts';
import type { Grant, Principal } from './principal.ts';

/** Who reads: scopes of tokens first, then roles of people. */
const READERS = ['keys', 'read', 'administrator', 'security-officer', 'developer', 'support', 'auditor'] as const;
/** Who reads what is of no concern to whoever only issues keys. */
const WATCHERS = ['read', 'administrator', 'security-officer', 'auditor'] as const;

/**
 * Scopes and roles that open each action; the scope `admin` and the role `owner` open all of them. Deny by default: an
 * action without a row is refused. One table, so that it can be read as a whole. Who has one role may give another only
 * where his own opens all that it does, so a role that manages people has what it may give.
 */
const OPENERS_OF_ACTION = {
  'projects.create': ['administrator'],
  'projects.read': READERS,
  'environments.create': ['administrator'],
  'environments.read': READERS,
  'permissions.set': ['administrator', 'security-officer'],
  'permissions.read': READERS,
  'signing.set': ['administrator', 'security-officer'],
  'signing.read': READERS,
  'rules.set': ['administrator', 'security-officer'],
  'rules.read': READERS,
  'consumers.create': ['keys', 'administrator', 'developer'],
  'consumers.read': READERS,
  'factors.enrol': ['keys', 'administrator', 'developer'],
  'factors.read': READERS,
  'factors.remove': ['keys', 'administrator', 'developer'],
  'keys.issue': ['keys', 'administrator', 'developer'],
  'keys.read': READERS,
  'keys.change': ['keys', 'administrator', 'developer'],
  'keys.rotate': ['keys', 'administrator', 'developer'],
  // Whoever hears of a stolen key can stop it.
  'keys.suspend': ['keys', 'administrator', 'security-officer', 'developer', 'support'],
  'keys.resume': ['keys', 'administrator', 'developer'],
  'keys.revoke': ['keys', 'administrator', 'security-officer', 'developer', 'support'],
  'keys.destroy': ['keys', 'administrator', 'security-officer'],
  'tokens.create': ['administrator'],
  'tokens.read': ['administrator', 'security-officer', 'auditor'],
  'tokens.revoke': ['administrator', 'security-officer'],
  'workloads.create': ['administrator'],
  'workloads.read': ['administrator', 'security-officer', 'auditor'],
  'workloads.remove': ['administrator', 'security-officer'],
  'app-roles.read': ['administrator', 'security-officer', 'auditor'],
  'app-roles.create': ['administrator'],
  'app-roles.remove': ['administrator', 'security-officer'],
  'people.read': WATCHERS,
  'people.invite': ['administrator'],
  'people.suspend': ['administrator', 'security-officer'],
  'people.resume': ['administrator'],
  'people.remove': ['administrator', 'security-officer'],
  'people.offboard': ['administrator', 'security-officer'],
  'roles.grant': ['administrator'],
  'roles.end': ['administrator', 'security-officer'],
  // It opens no more than its person has: only what he would wait for.
  'break-glass.open': ['administrator', 'security-officer'],
  'sign-on.read': WATCHERS,
  // Whoever says which group has which role can give himself any: an owner's alone.
  'sign-on.change': [],
  'sign-on.remove': ['administrator', 'security-officer'],
  'break-glass.read': WATCHERS,
  'break-glass.close': ['administrator', 'security-officer'],
  'break-glass.review': ['security-officer'],
  'custom-roles.read': WATCHERS,
  'custom-roles.change': ['administrator'],
  'policies.read': WATCHERS,
  // Whoever can write a policy can give himself anything: an owner's alone.
  'policies.change': [],
  'audit.read': WATCHERS,
  'audit.erase': ['security-officer'],
  'audit.export': ['security-officer'],
  'audit.prune': ['security-officer'],
  'seal.read': ['unseal', ...WATCHERS],
  'seal.unseal': ['unseal', 'security-officer'],
  'seal.change': ['security-officer'],
  'secrets.read': ['read', 'administrator', 'security-officer', 'developer', 'auditor'],
  'secrets.write': ['administrator', 'developer'],
  'secrets.reveal': ['administrator', 'developer'],
  'secrets.destroy': ['administrator', 'security-officer'],
  'deliveries.read': READERS,
  // Whoever hears that a link went astray can stop it.
  'deliveries.end': ['keys', 'administrator', 'security-officer', 'developer', 'support'],
  'backup.create': ['security-officer'],
  'vault-keys.read': WATCHERS,
  'vault-keys.rotate': ['security-officer'],
  'transit.read': ['read', 'administrator', 'security-officer', 'developer', 'auditor'],
  'transit.use': ['administrator', 'developer'],
  'transit.manage': ['administrator'],
  'installation.read': WATCHERS,
  'installation.accept-restore': ['security-officer'],
} as const satisfies Record<string, readonly (Scope | Role)[]>;

export type Action = keyof typeof OPENERS_OF_ACTION;

export const ACTIONS = Object.keys(OPENERS_OF_ACTION) as readonly Action[];

/** What opens everything here. The feed's own scopes open nothing here: they are a verifier's. */
const OPEN_ALL: readonly (Scope | Role)[] = ['admin', 'owner'];

/** Whoever does these can give himself anything: no custom role opens them. */
export const OWNERS_ONLY: readonly Action[] = ['policies.change', 'sign-on.change'];

/**
 * No token manages people: whoever makes one could else give himself, through it, what he may not give himself.
 */
export const PEOPLE_ONLY: readonly Action[] = [
  'policies.change',
  'sign-on.change',
  'sign-on.remove',
  'people.invite',
  'people.suspend',
  'people.resume',
  'people.remove',
  'people.offboard',
  'roles.grant',
  'roles.end',
  'custom-roles.change',
  'break-glass.open',
  'break-glass.close',
  'break-glass.review',
];

/** Grants that open the action, wherever that may be; a refusal names what it takes. */
export function grantsThatOpen({ grants }: Principal, action: Action): readonly Grant[] | Refusal {
  const opening = grants.filter(({ opener }) => opens(opener, action));
  if (opening.length > 0) return opening;
  const scopes = SCOPES.filter((scope) => opens(scope, action)).join(' or ');
  const roles = ROLES.filter((role) => opens(role, action)).join(' or ');
  const token = scopes === '' ? '' : `the scope ${scopes} of a token, or `;
  return refuse('FORBIDDEN', `${action} takes ${token}the role ${roles} of a person.`);
}

export function opens(opener: Opener, action: Action): boolean {
  if (typeof opener === 'object') return opener.actions.includes(action);
  if (opener === 'admin' && PEOPLE_ONLY.includes(action)) return false;
  const openers: readonly (Scope | Role)[] = OPENERS_OF_ACTION[action];
  return OPEN_ALL.includes(opener) || openers.includes(opener);
}

/** Whether who has one can give the other, where that opens everything: a role `owner`, a scope `admin`. */
export function givesAll(has: Opener, gives: Opener): boolean {
  return typeof gives === 'string' && OPEN_ALL.includes(gives) && (has === 'owner' || has === gives);
}

/** What giving a scope away takes that opens nothing here: a verifier sees keys, and what their requests are signed with. */
const TAKES: Readonly<Partial<Record<Scope | Role, Action>>> = {
  verify: 'keys.read',
  feed: 'keys.read',
  'feed:hmac': 'secrets.reveal',
};

/** What somebody must be able to do himself to give this to another. */
export function actionsOf(opener: Opener): readonly Action[] {
  const taken = typeof opener === 'string' ? TAKES[opener] : undefined;
  if (taken !== undefined) return [taken];
  return ACTIONS.filter((action) => opens(opener, action));
}
