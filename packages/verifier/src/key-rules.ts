import type { RulesRecord } from '@keyhold/protocol/feed';
import { createdAtOf } from '@keyhold/protocol/id';
import type { VerdictCode } from '@keyhold/protocol/verdict';
import type { DecisionRequest } from './decide.ts';
import type { Grantable, RequiredPermission } from './permissions.ts';
import type { ReplicaKey } from './replica.ts';

const DAY_MS = 86_400_000;

/** Decides by the permissions of a key and by what its environment asks of all its keys. */
export function decideByRules(
  key: ReplicaKey,
  { withdrawals, withoutNetworks }: RulesRecord,
  { requirement, destination }: DecisionRequest,
  wallMs: number,
): VerdictCode {
  if (requirement === null) return 'VALID';
  const lapsed =
    withoutNetworks !== null && key.isOpen && wallMs >= beganAt(key) + withoutNetworks.days * DAY_MS
      ? withoutNetworks.permissions
      : [];
  const grants = (required: Grantable) => !isAmong(lapsed, required) && key.grants(required);
  if (!requirement.isMetBy({ grants })) return 'INSUFFICIENT_PERMISSIONS';
  if (!requirement.permissions.some((required) => isAmong(withdrawals, required))) return 'VALID';
  // Issued before the rule was set, or with a network taken away past the rule: the rule holds all the same.
  if (key.isOpen) return 'NETWORK_NOT_ALLOWED';
  return destination !== undefined && key.allowsDestination(destination) ? 'VALID' : 'DESTINATION_NOT_ALLOWED';
}

/** Epoch milliseconds. Nobody could use it before, so none of its days has passed. */
function beganAt({ id, startsAt }: ReplicaKey): number {
  return Math.max(createdAtOf(id), startsAt ?? 0);
}

/** @param patterns permissions, each segment of which may be `*` */
export function isAmong(patterns: readonly string[], { resource, action }: RequiredPermission): boolean {
  return patterns.some((pattern) => {
    const colon = pattern.indexOf(':');
    return matches(pattern.slice(0, colon), resource) && matches(pattern.slice(colon + 1), action);
  });
}

function matches(pattern: string, segment: string): boolean {
  return pattern === '*' || segment === '*' || pattern === segment;
}
