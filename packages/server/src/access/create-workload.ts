import { type Refusal, refuse } from '@keyhold/protocol/errors';
import { CERTIFICATE_CLAIMS, CERTIFICATE_ISSUER } from '@keyhold/protocol/operations/workloads';
import type { Scope } from '@keyhold/protocol/state';
import type { WorkloadRow } from '../database/workload-rows.ts';
import type { Recorded } from '../ledger/entry.ts';
import { attributionWith, type Caller, type ChangeContext } from './change-context.ts';
import { refuseExcess } from './refuse-excess.ts';
import type { TokenBinding } from './token.ts';
import { addressProblem } from './workload.ts';

export interface NewWorkload extends TokenBinding {
  readonly name: string;
  readonly issuer: string;
  /** Null: it has a certificate. */
  readonly audience: string | null;
  readonly jwksUri: string | null;
  readonly claims: Readonly<Record<string, string>>;
  readonly scopes: readonly Scope[];
  readonly ttlSeconds: number;
}

/** Trusts an issuer's tokens, or certificates, for a workload. Nobody can give more than he has, nor for longer. */
export async function createWorkload(
  { ledger, random, clock }: ChangeContext,
  caller: Caller,
  input: NewWorkload,
): Promise<Recorded<WorkloadRow> | Refusal> {
  const { scopes, at } = input;
  if (scopes.includes('scim')) return refuse('INVALID_INPUT', 'Providers alone are given it.', '/scopes');
  const excess = refuseExcess(caller.principal, { by: 'workloads.create', openers: scopes, at, expiresAt: null });
  if (excess !== null) return excess;
  const problem = problemOf(input);
  if (problem !== null) return problem;
  const id = random.newId('workload');
  const { at: _, ...set } = input;
  const by = attributionWith(caller, set);
  const draft = { ...by, action: 'workload.created', subject: id, code: scopes.join(',') };
  return await ledger.record(draft, async (facts) => {
    return await facts.insert('workloads', {
      id,
      name: input.name,
      issuer: input.issuer,
      audience: input.audience ?? '',
      jwks_uri: input.jwksUri,
      claims: JSON.stringify(input.claims),
      scopes: JSON.stringify(input.scopes),
      projects: input.projects === null ? null : JSON.stringify(input.projects),
      environment_id: input.environment,
      ttl_seconds: input.ttlSeconds,
      state: 'active',
      created_at: clock.wall(),
    });
  });
}

function problemOf(input: NewWorkload): Refusal | null {
  const { issuer, claims } = input;
  const problem = issuer === CERTIFICATE_ISSUER ? problemOfCertificate(input) : problemOfIssuer(input);
  if (problem !== null) return problem;
  const open = Object.keys(claims).find((name) => /^\*+$/.test(claims[name] ?? ''));
  if (open === undefined) return null;
  return refuse('INVALID_INPUT', 'This is true of every token of the issuer: say who it is.', `/claims/${open}`);
}

function problemOfIssuer({ issuer, audience, jwksUri }: NewWorkload): Refusal | null {
  if (audience === null) return refuse('INVALID_INPUT', 'Say for whom its tokens are made.', '/audience');
  const [atIssuer, atKeys] = [addressProblem(issuer), jwksUri === null ? null : addressProblem(jwksUri)];
  if (jwksUri === null && atIssuer !== null) return refuse('INVALID_INPUT', atIssuer, '/issuer');
  return atKeys === null ? null : refuse('INVALID_INPUT', atKeys, '/jwksUri');
}

function problemOfCertificate({ audience, jwksUri, claims }: NewWorkload): Refusal | null {
  if (audience !== null) return refuse('INVALID_INPUT', 'Certificates are made for nobody in particular.', '/audience');
  if (jwksUri !== null) return refuse('INVALID_INPUT', 'Who signs certificates is in --tls-client-ca.', '/jwksUri');
  const unknown = Object.keys(claims).find((name) => !CERTIFICATE_CLAIMS.includes(name));
  if (unknown !== undefined) {
    const known = CERTIFICATE_CLAIMS.join(', ');
    return refuse('INVALID_INPUT', `A certificate can be asked for ${known}.`, `/claims/${unknown}`);
  }
  const { fingerprint } = claims;
  if (fingerprint === undefined || /^[0-9a-f]{64}$/.test(fingerprint)) return null;
  return refuse(
    'INVALID_INPUT',
    'It is the SHA-256 of the certificate, 64 lower-case hexadecimal digits without colons.',
    '/claims/fingerprint',
  );
}
