import type { Kysely } from 'kysely';
import type { Scratch } from '../../database/scratch.ts';
import type { Database } from '../../database/schema.ts';
import type { ChangeContext } from '../change-context.ts';
import type { Judge } from '../judge.ts';
import type { RoleNamed } from '../people/person.ts';
import type { OwnerTokens } from '../own-tokens.ts';
import type { Challenges } from './challenges.ts';
import type { Confirmations } from './confirm-request.ts';
import type { DeviceCodes } from './device-codes.ts';
import type { FreshSessions } from './fresh-sessions.ts';
import type { PendingRequests } from './pending-requests.ts';
import type { SessionUses } from './record-session-use.ts';
import type { Site } from './site.ts';
import type { InEnvironment, Vault } from '../../vault/vault.ts';
import type { PasswordHashes } from '../passwords/password-hashes.ts';
import type { Throttle } from './throttle.ts';

/** What signing in works with. */
export interface SignInContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly scratch: Scratch;
  readonly tampered: (rowId: string) => void;
  /** An authenticator says that it signed less often than before: there are two of it. */
  readonly copied: (passkeyId: string) => void;
  /** Known once the address is. */
  readonly site: () => Site;
  readonly challenges: Challenges;
  /** Of networks. */
  readonly throttle: Throttle;
  /** Of names that somebody signs in under. */
  readonly accounts: Throttle;
  /** Of people whose codes are guessed, by whoever has their password or session: the longer, the longer it lasts. */
  readonly codes: Throttle;
  /** For strangers. */
  readonly hashes: PasswordHashes;
  /** For those who are known: strangers keep none of them waiting. */
  readonly ownHashes: PasswordHashes;
  readonly vault: Vault;
  /** Where the keys of the installation itself lie. */
  readonly home: InEnvironment;
  readonly fresh: FreshSessions;
  /** Sessions that a recovery code began, minutes ago. */
  readonly recoveries: FreshSessions;
  readonly deviceCodes: DeviceCodes;
  readonly uses: SessionUses;
  readonly confirmations: Confirmations;
  readonly pending: PendingRequests;
  readonly ownerTokens: OwnerTokens;
  readonly judgeFor: (network: string) => Judge;
  readonly roleNamed: RoleNamed;
  readonly isSealed: () => boolean;
  /** Told of an owner who was made by whoever opened the seal. */
  readonly recovered: (personId: string) => void;
}
