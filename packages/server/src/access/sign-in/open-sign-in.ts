import { createSecretKey } from 'node:crypto';
import type { Scratch } from '../../database/scratch.ts';
import type { Store } from '../../database/store.ts';
import type { Alarms } from '../../ledger/alarms.ts';
import type { ChangeContext } from '../change-context.ts';
import { Challenges } from './challenges.ts';
import { Confirmations } from './confirm-request.ts';
import { DeviceCodes } from './device-codes.ts';
import { FreshSessions } from './fresh-sessions.ts';
import { PendingRequests } from './pending-requests.ts';
import { SessionUses } from './record-session-use.ts';
import { PasswordHashes } from '../passwords/password-hashes.ts';
import type { SignInContext } from './sign-in-context.ts';
import { Throttle } from './throttle.ts';

interface Places
  extends Pick<
    SignInContext,
    'site' | 'tampered' | 'ownerTokens' | 'isSealed' | 'judgeFor' | 'roleNamed' | 'vault' | 'home'
  > {
  readonly store: Store;
  readonly scratch: Scratch;
  readonly alarms: Alarms;
}

/** What signing in works with. */
export function openSignIn(context: ChangeContext, { store, scratch, alarms, ...rest }: Places): SignInContext {
  const { clock, random } = context;
  const copied = (id: string) =>
    alarms.raise('PASSKEY_COPIED', id, 'its authenticator says that it signed less often than before');
  return {
    ...context,
    ...rest,
    ...{ reader: store.reader, scratch, copied },
    recovered: (id) => alarms.raise('OWNER_RECOVERED', id, 'became an owner through the seal: who asked for that?'),
    // Challenges outlive no start: what they are bound with needs no key that could be sealed.
    challenges: new Challenges(createSecretKey(random.bytes(32)), clock, random),
    throttle: new Throttle(clock),
    accounts: new Throttle(clock),
    codes: new Throttle(clock, true),
    hashes: new PasswordHashes(),
    ownHashes: new PasswordHashes(),
    fresh: new FreshSessions(clock),
    recoveries: new FreshSessions(clock),
    deviceCodes: new DeviceCodes(clock, random),
    uses: new SessionUses(scratch, clock),
    confirmations: new Confirmations(clock),
    pending: new PendingRequests(clock, random),
  };
}
