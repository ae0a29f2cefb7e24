import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { BreakGlassRow } from '../../database/people-rows.ts';
import type { Database } from '../../database/schema.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { findBarred } from '../approvals/find-barred.ts';
import { readTwos } from '../approvals/find-two.ts';
import { attribution, type Caller, type ChangeContext } from '../change-context.ts';
import { findUnreviewedOf } from './break-glass.store.ts';

export interface BreakGlassContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  /** Told of each: whoever watches the alarms hears of it at once. */
  readonly broken: (id: string, person: string, reason: string) => void;
  /** Told once somebody has looked at it. */
  readonly reviewed: (id: string) => void;
}

type Changed = Recorded<BreakGlassRow> | Refusal;

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const MAY_BE_ONE = refuse(
  'FORBIDDEN',
  'You may be the one who opened it: nobody reviews it who made him or whom he made within a day, nor while one of you alone is known at a provider.',
);

/**
 * Lets somebody go on for minutes as if enough others had approved: not past a policy that forbids, nor past his own
 * passkey, nor to change a policy that wants approvals. Whatever he does meanwhile says so in its entry.
 */
export async function openBreakGlass(
  context: BreakGlassContext,
  caller: Caller,
  { reason, minutes }: { readonly reason: string; readonly minutes: number },
): Promise<Changed> {
  const { ledger, random, clock } = context;
  const { id: person } = caller.principal;
  const id = random.newId('breakGlass');
  const draft = { ...attribution(caller), action: 'break-glass.opened', subject: id };
  const recorded = await ledger.record(draft, async (facts) => {
    const now = clock.wall();
    if ((await findUnreviewedOf(facts.db, person, now - DAY_MS)) !== undefined)
      return refuse('ILLEGAL_TRANSITION', 'Somebody reviews your last one first: it is not made longer.');
    const until = { state: 'open', expires_at: now + minutes * MINUTE_MS, created_at: now } as const;
    const unseen = { reviewed_by: null, review: null, reviewed_at: null };
    return await facts.insert('break_glass', { id, person_id: person, reason, ...until, ...unseen });
  });
  if (!isRefusal(recorded)) context.broken(id, person, reason);
  return recorded;
}

/** Ends it before its time. It works on a row that was tampered with too. */
export async function closeBreakGlass({ ledger }: BreakGlassContext, caller: Caller, id: string): Promise<Changed> {
  const draft = { ...attribution(caller), action: 'break-glass.closed', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('break_glass', id);
    if (row === undefined) return noBreakGlass(id);
    if (row.state !== 'open' && !tampered) return row;
    return await facts[tampered ? 'overwrite' : 'update']('break_glass', row, { state: 'closed' });
  });
}

/**
 * Says what somebody else found of it, once it is over: who is not, as far as anybody can tell, the one who opened it, as
 * with approvals.
 */
export async function reviewBreakGlass(
  { ledger, reader, clock, reviewed }: BreakGlassContext,
  caller: Caller,
  id: string,
  review: string,
): Promise<Changed> {
  const { id: by } = caller.principal;
  const areTwo = await readTwos(reader);
  const draft = { ...attribution(caller), action: 'break-glass.reviewed', subject: id, locks: [id] };
  const recorded = await ledger.record(draft, async (facts) => {
    const row = await facts.find('break_glass', id);
    if (row === undefined) return noBreakGlass(id);
    const now = clock.wall();
    if (row.person_id === by) return refuse('FORBIDDEN', 'Somebody else reviews what you did with it.');
    if ((await findBarred(facts.db, row.person_id, now)).has(by) || !areTwo(row.person_id, by)) return MAY_BE_ONE;
    if (row.state === 'reviewed') return refuse('ILLEGAL_TRANSITION', 'It is reviewed already.');
    if (row.state === 'open' && now < row.expires_at)
      return refuse('ILLEGAL_TRANSITION', 'It is open still: close it first.');
    const said = { reviewed_by: by, review, reviewed_at: now };
    return await facts.update('break_glass', row, { state: 'reviewed', ...said });
  });
  if (!isRefusal(recorded)) reviewed(id);
  return recorded;
}

export function noBreakGlass(id: string): Refusal {
  return refuse('BREAK_GLASS_NOT_FOUND', `There is no ${id}.`, 'id');
}
