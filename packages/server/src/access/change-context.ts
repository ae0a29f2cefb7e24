import type { Json } from '@keyhold/protocol/canonical-json';
import { type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Clock } from '../clock.ts';
import type { Propagation } from '../feed/propagation.ts';
import type { EntryDraft, Idempotency } from '../ledger/entry.ts';
import type { Facts } from '../ledger/facts.ts';
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

export type Attribution = Pick<EntryDraft, 'actor' | 'side' | 'idempotency' | 'guard'>;

/** What every entry says of its caller. */
export function attribution(caller: Caller): Attribution {
  const { id, session, judge } = caller.principal;
  const breakGlass = judge.glassOf(caller.principal);
  const side = {
    ip: caller.ip,
    ...(session === undefined ? {} : { session: session.id }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
  };
  const guard = async (facts: Facts) => (await refuseGone(facts, caller)) ?? (await judge.guard(facts));
  return { actor: id, side, idempotency: caller.idempotency, guard };
}

/**
 * The same with what he set: whoever reads the log is told what was given, and not only that something was. It lies in the
 * personal part, since what people write goes there; what nobody has to be able to erase is named by the code besides.
 * @param set what he asked for, as JSON has it, and no secret: it is of the call, not of what lay there before
 */
export function attributionWith(caller: Caller, set: object): Attribution {
  const by = attribution(caller);
  return { ...by, side: { ...(by.side as object), set: set as Json } };
}

/** Names of what a call gave, as the code of its entry. */
export function namesSet(given: object): string {
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  return names.sort().join(',');
}

/**
 * INVARIANT: nothing that somebody does, gives or is shown comes after the answer that he is gone: it is asked within the
 * change itself. So a list of what he knew, made after that answer, is whole.
 */
async function refuseGone(facts: Facts, { principal }: Caller): Promise<Refusal | null> {
  if (principal.session === undefined) {
    const token = principal.kind === 'service' ? await facts.find('tokens', principal.id) : undefined;
    return token === undefined || token.state === 'active' ? null : refuse('UNAUTHENTICATED', 'Your token is revoked.');
  }
  const person = await facts.find('people', principal.id);
  const session = await facts.find('sessions', principal.session.id);
  if (person?.state === 'active' && session?.state === 'active') return null;
  return refuse('UNAUTHENTICATED', 'Your session has ended: sign in.');
}
