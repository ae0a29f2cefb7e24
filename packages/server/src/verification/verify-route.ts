import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Body, Response } from '@keyhold/protocol/operation';
import { verify } from '@keyhold/protocol/operations/verify';
import { parsePermissionExpression } from '@keyhold/protocol/permission';
import type { ReplicaEnvironment, ReplicaToken } from '@keyhold/verifier/replica';
import type { Verifier } from '@keyhold/verifier/verifier';
import type { FastifyInstance } from 'fastify';
import { type Gate, mount } from '../http/mount.ts';

/** `POST /v1/verify`: the same call as the embedded one, behind a token. */
export function mountVerify(app: FastifyInstance, verifier: Verifier, gate: Gate<ReplicaToken>): void {
  mount(app, gate, verify, async ({ principal, body }) => {
    if (!principal.scopes.includes('verify') && !principal.scopes.includes('admin')) {
      return refuse('FORBIDDEN', 'This token does not allow it: verify takes the scope admin or verify.');
    }
    const environment = environmentFor(verifier, principal, body);
    if (isRefusal(environment)) return environment;
    const wrong = checkExpression(body.permission);
    if (wrong !== null) return wrong;
    const { key, permission, clientIp, cost } = body;
    const verdict = await verifier.verify({ key, environment: environment.qualifiedName, permission, clientIp, cost });
    return { body: verdict as Response<typeof verify> };
  });
}

/** Finds the environment that the caller means; one beyond its binding answers as if it did not exist. */
function environmentFor(
  verifier: Verifier,
  token: ReplicaToken,
  { environment: name }: Body<typeof verify>,
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
  if (token.projects?.length !== 1) return undefined;
  return verifier.environmentOf(token.projects[0] as string, name);
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
