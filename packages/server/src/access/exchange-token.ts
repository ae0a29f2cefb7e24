import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Secret } from '../vault/secret.ts';
import type { ChangeContext } from './change-context.ts';
import { makeToken } from './create-token.ts';
import { claimsMatch, tokenNameOf } from './workload.ts';
import { workloadsOf } from './workloads.store.ts';

/** What a token of an issuer says, once its signature, issuer, audience and times are known to be good. */
export type Claims = Readonly<Record<string, unknown>>;

export interface Exchanging extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly tampered: (rowId: string) => void;
  /** Who says that he made it, unverified; null where it is no such token. */
  readonly issuerOf: (jwt: string) => string | null;
  /** Claims of a token that this workload's issuer made for it; null where it did not, or can't be asked. */
  readonly verify: (jwt: string, workload: WorkloadRow) => Promise<Claims | null>;
}

export interface Exchanged {
  readonly secret: Secret;
  readonly expiresInSeconds: number;
}

/** One answer for whatever is wrong: nobody learns which issuers and workloads there are. */
const NOTHING = refuse('UNAUTHENTICATED', 'This token opens nothing here.');

/**
 * Exchanges a token of a trusted issuer for a short-lived one of ours, of the one workload that it is of.
 * @param wanted id of the workload, where a token is of several
 */
export async function exchangeToken(
  context: Exchanging,
  ip: string,
  jwt: string,
  wanted: string | undefined,
): Promise<Exchanged | Refusal> {
  const found = await findWorkloads(context, jwt, wanted);
  const [first, ...others] = found;
  if (first === undefined) return NOTHING;
  if (others.length > 0) {
    const names = found.map(({ workload }) => workload.id).join(', ');
    return refuse('INVALID_INPUT', `This token is of several workloads, ${names}: say which.`, 'workload');
  }
  return await giveToken(context, ip, first);
}

interface Found {
  readonly workload: WorkloadRow;
  readonly claims: Claims;
}

async function findWorkloads(context: Exchanging, jwt: string, wanted: string | undefined): Promise<Found[]> {
  const issuer = context.issuerOf(jwt);
  if (issuer === null) return [];
  const ids = await workloadsOf(context.reader, issuer);
  const found: Found[] = [];
  for (const checked of await readCheckedRows(context.reader, ['workloads'], ids)) {
    if ('tampered' in checked) {
      context.tampered(checked.tampered);
      continue;
    }
    const workload = checked.row as WorkloadRow;
    if (wanted !== undefined && workload.id !== wanted) continue;
    const claims = await context.verify(jwt, workload);
    const isIt = claims !== null && claimsMatch(JSON.parse(workload.claims) as Record<string, string>, claims);
    if (isIt) found.push({ workload, claims });
  }
  return found;
}

async function giveToken(context: Exchanging, ip: string, { workload, claims }: Found): Promise<Exchanged | Refusal> {
  const { ledger, propagation } = context;
  const { secret, row: token } = makeToken(context);
  const said = Object.fromEntries(
    ['sub', 'jti'].flatMap((name) => (typeof claims[name] === 'string' ? [[name, claims[name].slice(0, 300)]] : [])),
  );
  const recorded = await ledger.record(
    { actor: workload.id, action: 'token.exchanged', subject: token.id, side: { ip, ...said }, locks: [workload.id] },
    async (facts) => {
      const row = await facts.find('workloads', workload.id);
      if (row?.state !== 'active') return NOTHING;
      await facts.insert('tokens', {
        ...token,
        name: tokenNameOf(row),
        scopes: row.scopes,
        projects: row.projects,
        environment_id: row.environment_id,
        expires_at: token.created_at + row.ttl_seconds * 1000,
      });
      return row.ttl_seconds;
    },
  );
  if (isRefusal(recorded)) return recorded;
  await propagation.given(recorded.sequence);
  return { secret, expiresInSeconds: recorded.value };
}
