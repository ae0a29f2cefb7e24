import { type Refusal, refuse, isRefusal } from '@keyhold/protocol/errors';
import { parsePermissionExpression } from '@keyhold/protocol/permission';
import type { ReplicaEnvironment, ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';

export const FORBIDDEN = refuse('FORBIDDEN', 'This token does not allow it: verify takes the scope admin or verify.');

export function mayVerify({ scopes }: ReplicaToken): boolean {
  return scopes.includes('verify') || scopes.includes('admin');
}

/** Where a request is to be decided, and what it takes: what the caller says of it, not the client. */
export function readPlace(
  verifier: Verifier,
  token: ReplicaToken,
  {
    environment: name,
    permission,
  }: { readonly environment?: string | undefined; readonly permission?: string | undefined },
): { readonly environment: string; readonly permission: string | undefined } | Refusal {
  const environment = environmentFor(verifier, token, name);
  if (isRefusal(environment)) return environment;
  return checkExpression(permission) ?? { environment: environment.qualifiedName, permission };
}

/** Finds the environment that the caller means; one beyond its binding answers as if it did not exist. */
function environmentFor(
  verifier: Verifier,
  token: ReplicaToken,
  name: string | undefined,
): ReplicaEnvironment | Refusal {
  const absent = refuse(
    'ENVIRONMENT_NOT_FOUND',
    'There is no such environment; it may have been created a moment ago.',
    '/environment',
  );
  if (name === undefined) {
    if (token.environment === null) {
      return refuse('INVALID_INPUT', 'Only a token bound to one environment may leave it out.', '/environment');
    }
    return verifier.environmentById(token.environment) ?? absent;
  }
  if (!name.includes('/') && token.environment === null && token.projects?.length !== 1) {
    const detail = 'Write project/environment; a bare name takes a token bound to one project.';
    return refuse('INVALID_INPUT', detail, '/environment');
  }
  const found = name.includes('/') ? verifier.environment(name) : bareEnvironment(verifier, token, name);
  if (found === undefined) return absent;
  if (token.environment !== null) return found.id === token.environment ? found : absent;
  if (token.projects !== null && !token.projects.includes(found.projectId)) return absent;
  return found;
}

/** A bare name means something only to a token of one project or environment. */
function bareEnvironment(verifier: Verifier, token: ReplicaToken, name: string): ReplicaEnvironment | undefined {
  if (token.environment !== null) {
    const own = verifier.environmentById(token.environment);
    return own?.name === name ? own : undefined;
  }
  const [project] = token.projects ?? [];
  return project === undefined ? undefined : verifier.environmentOf(project, name);
}

/** Expressions already found good; an application has a handful. */
const known = new Set<string>();
const MAX_KNOWN = 1000;

/** A caller's own mistake is an error to him, not a verdict on his client. */
function checkExpression(permission: string | undefined): Refusal | null {
  if (permission === undefined || known.has(permission)) return null;
  const parsed = parsePermissionExpression(permission);
  if ('error' in parsed) return refuse('INVALID_INPUT', `At ${parsed.at}: ${parsed.error}.`, '/permission');
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(permission);
  return null;
}
