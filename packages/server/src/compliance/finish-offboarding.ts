import { createHash } from 'node:crypto';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Kysely } from 'kysely';
import type { Attribution, ChangeContext } from '../access/change-context.ts';
import { destroyAppSecret } from '../access/app-roles/create-app-secret.ts';
import { emptyPerson } from '../access/people/change-person.ts';
import { withdrawInvitationsBy } from '../access/people/invite-person.ts';
import { endWorkload } from '../access/remove-workload.ts';
import { endToken } from '../access/revoke-token.ts';
import type { OffboardingRow } from '../database/compliance-rows.ts';
import type { Database } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import { isStoreFault } from '../database/store-fault.ts';
import type { Alarms } from '../ledger/alarms.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { prunedUpTo } from '../ledger/pruned.store.ts';
import { endLinksBy } from './end-links.ts';
import { lineOf } from './exposure.ts';
import { writeLines } from './exposures.store.ts';
import { findActors, findExposures } from './find-exposures.ts';
import { findUnfinished } from './offboardings.store.ts';

export interface OffboardContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly scratch: Scratch;
  /** Told after tokens were revoked, before that is answered. */
  readonly tokenRevoked: () => Promise<void>;
  /** Ids of those that somebody waits for: they are not finished a second time meanwhile. */
  readonly underWay: Set<string>;
  /** Told which came to its end. */
  readonly finished: (id: string) => void;
}

const AT_ONCE = 100;
const LINES_PER_WRITE = 500;

/**
 * Ends all that whoever left still has or has made, and lists what he knows. Safe to repeat; whoever answers for it waits
 * for the barrier.
 */
export async function finishOffboarding(
  context: OffboardContext,
  by: Attribution,
  row: OffboardingRow,
): Promise<OffboardingRow | Refusal> {
  const { ledger, reader } = context;
  const { principal_id: principal } = row;
  const kept = new Set(JSON.parse(row.kept) as string[]);
  try {
    if (principal.startsWith(`${ID_PREFIXES.person}_`)) await emptyPerson(context, by, principal);
  } finally {
    // His own row says that he is out; what he made opens something until here, whatever is wrong with what he had.
    await endMade(context, by, principal, kept);
    // Whoever is gone can put nothing aside any more.
    await endLinksBy(context, by, principal, await findActors(reader, principal, kept));
    await context.tokenRevoked();
  }
  const actors = await findActors(reader, principal);
  const logTo = ledger.head.sequence;
  const logFrom = (await prunedUpTo(reader)).upTo + 1;
  const { count, digest } = await writeList(context, row.id, actors, logTo);
  const draft = { ...by, action: 'offboarding.listed', subject: principal, code: digest, locks: [row.id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const held = await facts.find('offboardings', row.id);
    if (held === undefined) return refuse('OFFBOARDING_NOT_FOUND', `There is no ${row.id}.`, 'id');
    if (held.state === 'done') return held;
    const listed = { exposures: count, list_digest: digest, log_from: logFrom, log_to: logTo };
    return await facts.update('offboardings', held, { ...listed, state: 'done', finished_at: context.clock.wall() });
  });
  if (isRefusal(recorded)) return recorded;
  context.finished(row.id);
  return recorded.value;
}

/** Ends what he made, until nothing of it is left but what is kept, with what that made. */
async function endMade(
  context: OffboardContext,
  by: Attribution,
  principal: string,
  kept: ReadonlySet<string>,
): Promise<void> {
  const { ledger, reader } = context;
  for (let ended: readonly string[] = []; ; ) {
    const actors = await findActors(reader, principal, kept);
    const living = await livingOf(context, actors);
    // What could not be ended does not hold up the rest for ever.
    if (living.length === 0 || living.every((id) => ended.includes(id))) {
      for (const some of inPieces(actors)) await withdrawInvitationsBy({ ledger, reader }, by, some);
      return;
    }
    for (const some of inPieces(living)) {
      const outcomes = await Promise.allSettled(some.map((id) => endOne(context, by, id)));
      // Where the store fails the rest is done later; what is wrong with one of them is told by its alarm.
      const failed = outcomes.find((one) => one.status === 'rejected' && isStoreFault(one.reason));
      if (failed?.status === 'rejected') throw failed.reason;
    }
    ended = living;
  }
}

async function endOne(context: OffboardContext, by: Attribution, id: string): Promise<unknown> {
  if (id.startsWith(`${ID_PREFIXES.token}_`)) return await endToken(context, by, id);
  if (id.startsWith(`${ID_PREFIXES.appSecret}_`)) return await destroyAppSecret(context, by, id);
  const { ledger, clock, reader } = context;
  return await endWorkload({ ledger, clock, reader }, by, id);
}

/** Of these tokens, workloads and secret ids; also what somebody wrote past the ledger, so that it only seems to be over. */
async function livingOf({ reader }: OffboardContext, ids: readonly string[]): Promise<string[]> {
  const checked = await readCheckedRows(reader, ['tokens', 'workloads', 'app_role_secrets'], ids);
  return checked.flatMap((one) => {
    if ('tampered' in one) return [one.tampered];
    return (one.row as { readonly state: string }).state === 'active' ? [one.row.id] : [];
  });
}

function* inPieces<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += AT_ONCE) yield all.slice(i, i + AT_ONCE);
}

/** Writes the list, which its digest commits to. */
async function writeList(
  { reader, scratch }: OffboardContext,
  id: string,
  actors: readonly string[],
  upTo: number,
): Promise<{ count: number; digest: string }> {
  const lines = (await findExposures(reader, actors, upTo)).map(lineOf);
  const digest = createHash('sha256');
  for (const line of lines) digest.update(line);
  for (let start = 0; start === 0 || start < lines.length; start += LINES_PER_WRITE) {
    const some = lines.slice(start, start + LINES_PER_WRITE);
    await scratch.write((tables) => writeLines(tables, id, some, start));
  }
  return { count: lines.length, digest: digest.digest('hex') };
}

/**
 * Finishes what was begun before the process died; only what the ledger says was. What can't be finished raises an alarm:
 * who asked for it may wait for nothing.
 */
export async function finishOffboardings(context: OffboardContext, alarms: Alarms): Promise<number> {
  let finished = 0;
  for (const id of await findUnfinished(context.reader)) {
    if (context.underWay.has(id)) continue;
    context.underWay.add(id);
    try {
      const [checked] = await readCheckedRows(context.reader, ['offboardings'], [id]);
      if (checked === undefined || 'tampered' in checked || checked.table !== 'offboardings') continue;
      if (checked.row.state !== 'ending') continue;
      const done = await finishOffboarding(context, { actor: 'system' }, checked.row);
      if (isRefusal(done)) throw new Error(done.detail);
      finished++;
    } catch (error) {
      // One that can't be finished holds up no other.
      if (isStoreFault(error)) throw error;
      alarms.raise('OFFBOARDING_UNFINISHED', id, `what he has or made may be alive: ${(error as Error).message}`);
    } finally {
      context.underWay.delete(id);
    }
  }
  return finished;
}
