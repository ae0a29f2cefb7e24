import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { SessionRow } from '../../database/people-rows.ts';
import type { Recorded } from '../../ledger/entry.ts';
import { attribution, type Caller } from '../change-context.ts';
import type { SignInContext } from './sign-in-context.ts';

type Context = Pick<SignInContext, 'ledger'>;

/** Ends a session of the caller's own. It works on a row that was tampered with too. */
export async function endSession(
  { ledger }: Context,
  caller: Caller,
  id: string,
): Promise<Recorded<SessionRow> | Refusal> {
  const draft = { ...attribution(caller), action: 'session.ended', subject: id, locks: [id] };
  return await ledger.record(draft, async (facts) => {
    const { row, tampered } = await facts.examine('sessions', id);
    if (row === undefined || row.person_id !== caller.principal.id) {
      return refuse('SESSION_NOT_FOUND', `You have no session ${id}.`, 'id');
    }
    return await facts[tampered ? 'overwrite' : 'update']('sessions', row, { state: 'ended' });
  });
}

/** Somebody came with a secret that was replaced long ago: he, or whoever has the new one, has stolen it. */
export async function endReusedSession({ ledger }: Context, { id, person_id }: SessionRow): Promise<void> {
  const draft = { actor: 'system', action: 'session.ended', subject: id, about: person_id, code: 'SECRET_REUSED' };
  await ledger.record({ ...draft, locks: [id] }, async (facts) => {
    const row = await facts.find('sessions', id);
    return row === undefined ? null : await facts.update('sessions', row, { state: 'ended' });
  });
}
