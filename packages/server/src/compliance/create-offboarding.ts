import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Barrier } from '@keyhold/protocol/operations/shapes';
import type { Attribution } from '../access/change-context.ts';
import { endPerson } from '../access/people/change-person.ts';
import { findAppRoleById } from '../access/app-roles/app-roles.store.ts';
import { endAppRole } from '../access/app-roles/save-app-role.ts';
import { endWorkload, noWorkload } from '../access/remove-workload.ts';
import { endToken } from '../access/revoke-token.ts';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Recorded } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
import { findActors } from './find-exposures.ts';
import { finishOffboarding, type OffboardContext } from './finish-offboarding.ts';
import { findUnfinished } from './offboardings.store.ts';

export interface Leaving {
  /** Id of a person, a token or a workload. */
  readonly of: string;
  readonly reason: string;
  /** Ids of tokens and workloads that he made and that go on. */
  readonly keep: readonly string[];
}

/**
 * Off-boards somebody in one step: he is out in the entry that begins it, all else that he has ends before this returns,
 * and what he knows is listed. Where the process dies in between, it is finished by itself.
 */
export async function createOffboarding(
  context: OffboardContext,
  by: Attribution,
  leaving: Leaving,
): Promise<{ offboarding: OffboardingRow; barrier: Barrier } | Refusal> {
  const wrong = await refuseStrangers(context, leaving);
  if (wrong !== null) return wrong;
  const unfinished = await claimUnfinished(context, leaving);
  let row: OffboardingRow | undefined;
  const id = unfinished?.id ?? context.random.newId('offboarding');
  context.underWay.add(id);
  try {
    const begun = await endPrincipal(context, by, leaving.of, async (facts) => {
      row =
        unfinished ??
        (await facts.insert('offboardings', {
          ...{ id, principal_id: leaving.of, reason: leaving.reason, made_by: by.actor, state: 'ending' },
          ...{ kept: JSON.stringify(leaving.keep), exposures: 0, list_digest: null, log_from: 0, log_to: 0 },
          ...{ created_at: context.clock.wall(), finished_at: null },
        }));
    });
    if (isRefusal(begun)) return begun;
    const left = row as unknown as OffboardingRow;
    const offboarding = await finishOffboarding(context, { actor: by.actor, side: by.side }, left);
    if (isRefusal(offboarding)) return offboarding;
    return { offboarding, barrier: await context.propagation.taken(context.ledger.head.sequence, null) };
  } finally {
    context.underWay.delete(id);
  }
}

/**
 * What was begun alike and came to no end: it is gone on with, else a provider that repeats its word, as each does that
 * hears of a fault, would leave one more each time.
 */
async function claimUnfinished(
  { reader, underWay }: OffboardContext,
  { of, keep }: Leaving,
): Promise<OffboardingRow | undefined> {
  for (const id of await findUnfinished(reader, of)) {
    if (underWay.has(id)) continue;
    underWay.add(id);
    // Read once nobody else finishes it any more.
    const [checked] = await readCheckedRows(reader, ['offboardings'], [id]);
    if (checked !== undefined && 'row' in checked && checked.table === 'offboardings') {
      if (checked.row.state === 'ending' && checked.row.kept === JSON.stringify(keep)) return checked.row;
    }
    underWay.delete(id);
  }
  return undefined;
}

async function endPrincipal(
  context: OffboardContext,
  by: Attribution,
  of: string,
  also: (facts: Facts) => Promise<void>,
): Promise<Recorded<unknown> | Refusal> {
  if (of.startsWith(`${ID_PREFIXES.person}_`)) return await endPerson(context, by, of, also);
  if (of.startsWith(`${ID_PREFIXES.token}_`)) return await endToken(context, by, of, also);
  if (of.startsWith(`${ID_PREFIXES.workload}_`)) return await endWorkload(context, by, of, also);
  const role = await findAppRoleById(context.reader, of);
  return role === undefined ? noWorkload(of) : await endAppRole(context, by, role, also);
}

/** Only what he made can be kept: what is not his goes on anyway, and a slip should be heard. */
async function refuseStrangers({ reader }: OffboardContext, { of, keep }: Leaving): Promise<Refusal | null> {
  if (keep.length === 0) return null;
  const made = new Set((await findActors(reader, of)).slice(1));
  const index = keep.findIndex((id) => !made.has(id));
  return index < 0 ? null : refuse('INVALID_INPUT', `${keep[index]} was not made by him.`, `/keep/${index}`);
}
