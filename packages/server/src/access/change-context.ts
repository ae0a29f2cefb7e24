import type { Clock } from '../clock.ts';
import type { Propagation } from '../feed/propagation.ts';
import type { EntryDraft, Idempotency } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Random } from '../random.ts';
import type { Principal } from './principal.ts';

/** What every use case that changes facts works with. */
export interface ChangeContext {
  readonly ledger: Ledger;
  readonly propagation: Propagation;
  readonly clock: Clock;
  readonly random: Random;
}

/** On whose behalf. */
export interface Caller {
  readonly principal: Principal;
  /** Address of the peer; it goes into the erasable side of the entry. */
  readonly ip: string;
  readonly idempotency: Idempotency | undefined;
}

/** What every entry says of its caller. */
export function attribution(caller: Caller): Pick<EntryDraft, 'actor' | 'side' | 'idempotency' | 'guard'> {
  const { id, session, judge } = caller.principal;
  const breakGlass = judge.glassOf(caller.principal);
  const side = {
    ip: caller.ip,
    ...(session === undefined ? {} : { session: session.id }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
  };
  const guard = judge.guard.bind(judge);
  return { actor: id, side, idempotency: caller.idempotency, guard };
}
