import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { WorkloadRow } from '../database/workload-rows.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Secret } from '../vault/secret.ts';
import type { ChangeContext } from './change-context.ts';
import { makeToken } from './create-token.ts';
import { tokenNameOf } from './token-names.ts';
import { type Claims, claimsMatch } from './workload.ts';
import { workloadsOf } from './workloads.store.ts';

export interface Admitting extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly tampered: (rowId: string) => void;
}

/** Who comes, as somebody else says. */
export interface Shown {
  /** Who says so. */
  readonly issuer: string;
  /** What he says of it, to this workload; null where it is not for this workload, or can't be checked. */
  readonly claimsFor: (workload: WorkloadRow) => Promise<Claims | null>;
  readonly ip: string;
  /** Id of the workload, where what he says is true of several, and the field that says it. */
  readonly wanted: string | undefined;
  readonly wantedBy: string;
  /** Claims that the entry keeps, in its erasable side. */
  readonly kept: readonly string[];
  /** What text a `*` stands for; see {@link isLike}. */
  readonly separators: string;
  /** Epoch milliseconds until which what he says is good; no token outlives that. */
  readonly untilMs: number;
}

export interface Admitted {
  readonly secret: Secret;
  readonly expiresInSeconds: number;
  /** Of the entry that the token was given. */
  readonly sequence: number;
}

/** One answer for whatever is wrong: nobody learns which issuers and workloads there are. */
export const OPENS_NOTHING = refuse('UNAUTHENTICATED', 'This opens nothing here.');

/** Gives a short-lived token to the one workload that somebody is, by what its issuer says of him. */
export async function admitWorkload(context: Admitting, shown: Shown): Promise<Admitted | Refusal> {
  const found = await findWorkloads(context, shown);
  const [first, ...others] = found;
  if (first === undefined) return OPENS_NOTHING;
  if (others.length > 0) {
    const names = found.map(({ workload }) => workload.id).join(', ');
    return refuse(
      'INVALID_INPUT',
      `This is of several workloads, ${names}: say which by ${shown.wantedBy}.`,
      shown.wantedBy,
    );
  }
  return await giveToken(context, shown, first);
}

interface Found {
  readonly workload: WorkloadRow;
  readonly claims: Claims;
}

async function findWorkloads({ reader, tampered }: Admitting, shown: Shown): Promise<Found[]> {
  const { issuer, wanted, claimsFor, separators } = shown;
  const found: Found[] = [];
  for (const checked of await readCheckedRows(reader, ['workloads'], await workloadsOf(reader, issuer))) {
    if ('tampered' in checked) {
      tampered(checked.tampered);
      continue;
    }
    const workload = checked.row as WorkloadRow;
    if (wanted !== undefined && workload.id !== wanted) continue;
    const claims = await claimsFor(workload);
    const asked = JSON.parse(workload.claims) as Record<string, string>;
    const isIt = claims !== null && claimsMatch(asked, claims, separators);
    if (isIt) found.push({ workload, claims });
  }
  return found;
}

async function giveToken(
  context: Admitting,
  { ip, kept, untilMs }: Shown,
  { workload, claims }: Found,
): Promise<Admitted | Refusal> {
  const { ledger, propagation } = context;
  const { secret, row: token } = makeToken(context);
  const said = Object.fromEntries(
    kept.flatMap((name) => (typeof claims[name] === 'string' ? [[name, claims[name].slice(0, 300)]] : [])),
  );
  const endOf = (row: WorkloadRow) => Math.min(token.created_at + row.ttl_seconds * 1000, untilMs);
  const recorded = await ledger.record(
    { actor: workload.id, action: 'token.exchanged', subject: token.id, side: { ip, ...said }, locks: [workload.id] },
    async (facts) => {
      const row = await facts.find('workloads', workload.id);
      if (row?.state !== 'active') return OPENS_NOTHING;
      await facts.insert('tokens', {
        ...token,
        name: tokenNameOf(row),
        scopes: row.scopes,
        projects: row.projects,
        environment_id: row.environment_id,
        expires_at: endOf(row),
      });
      return Math.floor((endOf(row) - token.created_at) / 1000);
    },
  );
  if (isRefusal(recorded)) return recorded;
  await propagation.given(recorded.sequence);
  return { secret, expiresInSeconds: recorded.value, sequence: recorded.sequence };
}
