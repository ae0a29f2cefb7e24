import { hash } from 'node:crypto';
import { credentialHint, formatCredential, TOKEN_PREFIX } from '@keyhold/protocol/credential-format';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Scope } from '@keyhold/protocol/state';
import type { TokenRow } from '../database/schema.ts';
import type { Recorded } from '../ledger/entry.ts';
import { Secret } from '../vault/secret.ts';
import { attributionWith, type Caller, type ChangeContext } from './change-context.ts';
import { refusePast } from './read-expiry.ts';
import { refuseExcess } from './refuse-excess.ts';
import { signOnOf } from './sign-on/sign-on.ts';
import type { TokenBinding } from './token.ts';
import { workloadOf } from './token-names.ts';

export interface NewToken extends TokenBinding {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number | null;
}

export interface CreatedToken {
  readonly token: TokenRow;
  readonly secret: Secret;
}

/** Creates a token; its secret is in the result only. Nobody can give more than he has. */
export async function createToken(
  context: ChangeContext,
  caller: Caller,
  input: NewToken,
): Promise<Recorded<CreatedToken> | Refusal> {
  const { scopes, at, expiresAt } = input;
  if (workloadOf(input) !== undefined || signOnOf(input) !== undefined)
    return refuse('INVALID_INPUT', 'Tokens of workloads and providers have such names.', '/name');
  if (scopes.includes('scim'))
    return refuse('INVALID_INPUT', 'A provider is given it: POST /v1/sign-on/{name}/provisioning-tokens.', '/scopes');
  const excess = refuseExcess(caller.principal, { by: 'tokens.create', openers: scopes, at, expiresAt });
  if (excess !== null) return excess;
  const { ledger, clock, propagation } = context;
  const { secret, row } = makeToken(context);
  const { name, projects, environment } = input;
  const by = attributionWith(caller, {
    name,
    scopes,
    projects,
    environment,
    expiresAt: timeOf(expiresAt),
  });
  const recorded = await ledger.record(
    { ...by, action: 'token.created', subject: row.id, code: scopes.join(',') },
    async (facts) => {
      const past = refusePast(expiresAt, clock.wall());
      if (past !== null) return past;
      const token = await facts.insert('tokens', {
        ...row,
        name,
        scopes: JSON.stringify(scopes),
        projects: projects === null ? null : JSON.stringify(projects),
        environment_id: environment,
        expires_at: expiresAt,
      });
      return { token, secret };
    },
  );
  if (!isRefusal(recorded)) await propagation.given(recorded.sequence);
  return recorded;
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** A secret, and what is kept of it. */
export function makeToken({ random, clock }: Pick<ChangeContext, 'random' | 'clock'>) {
  const secret = formatCredential(TOKEN_PREFIX, random.bytes(32));
  const row = {
    id: random.newId('token'),
    digest: hash('sha256', secret, 'hex'),
    hint: credentialHint(secret),
    state: 'active' as const,
    created_at: clock.wall(),
  };
  return { secret: new Secret(secret), row };
}
