import { hash } from 'node:crypto';
import { join, relative } from 'node:path';
import { PolicyBook } from './access/policies/policy-book.ts';
import { askWitnesses } from './audit/ask-witnesses.ts';
import type { WitnessPolicy } from './audit/witness-policy.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Scratch } from './database/scratch.ts';
import type { Store } from './database/store.ts';
import { type Feed, startFeed } from './feed/start-feed.ts';
import type { Log } from './http/log.ts';
import type { Alarms } from './ledger/alarms.ts';
import type { LivedTime } from './ledger/lived-time.ts';
import { openRollbackGuard, type RollbackGuard } from './ledger/rollback-guard.ts';
import { findUnusableSigning } from './projects/find-unusable-signing.ts';
import type { Random } from './random.ts';
import type { Vault } from './vault/vault.ts';
import { answerQuestion } from './verification/answer-question.ts';
import { VerificationSource } from './verification/feed-source.ts';
import { Places } from './verification/places.ts';
import { takeReport } from './verification/take-report.ts';
import { UnreadableItems } from './verification/unreadable-items.ts';
import { UsageLog } from './verification/usage-log.ts';

/** What starting the ledger takes, from the floors below it. */
export interface Ground {
  readonly store: Store;
  readonly scratch: Scratch;
  readonly clock: Clock;
  readonly livedTime: Pick<LivedTime, 'now'>;
  readonly random: Random;
  readonly alarms: Alarms;
  readonly tampered: (rowId: string) => void;
  readonly policy: WitnessPolicy | null;
  readonly log: Log;
  readonly vault: () => Vault;
}

const HEAD_IN_DATA =
  'the record of the newest entry lies in the data folder, and goes back with it: name a place outside in KEYHOLD_HEAD_FILE';

/** Takes the ledger over, once it is known that the database is the one that was last answered from. */
export async function startLedger(config: Config, ground: Ground, stack: AsyncDisposableStack) {
  const { store, scratch, clock, livedTime, random, alarms, tampered, policy, log } = ground;
  const places = new Places();
  const policies = new PolicyBook(places);
  const follower = {
    note: policies.note.bind(policies),
    reload: () => policies.load(store.reader, tampered),
  };
  const online = { reader: store.reader, clock, places };
  const usageLog = new UsageLog({ ledger: () => feed.ledger, reader: store.reader, clock, random });
  const broken = (id: string) => alarms.raise('ENVELOPE_BROKEN', id, 'a verifier could not open it where it lies');
  const counted: UsageLog['add'] = (...added) => usageLog.add(...added);
  const unreadable = new UnreadableItems(clock, log);
  const source = new VerificationSource({
    store,
    clock,
    livedTime,
    places,
    tampered,
    report: (asking, payload) =>
      takeReport({ ...online, scratch, tokensUsed: feed.tokensUsed, counted, broken, unreadable }, asking, payload),
    answer: (asking, payload) =>
      answerQuestion({ ...online, scratch, ledger: feed.ledger, vault: ground.vault }, asking, payload),
  });
  const elsewhere = async () => (policy === null ? null : await askWitnesses(store.reader, clock, policy, log));
  if (!relative(config.dataFolder, headFileOf(config)).startsWith('..'))
    log.warn({ headFile: headFileOf(config) }, HEAD_IN_DATA);
  const guard = stack.use(await openRollbackGuard(store, headFileOf(config), config.acceptRollback, elsewhere));
  const { committed, mayBeOlder } = guard;
  const feed: Feed = await startFeed({ store, clock, random, alarms, source, mayBeOlder, committed, follower });
  alarms.enterInto(feed.ledger);
  for (const { environment, fault } of await findUnusableSigning(store.reader))
    log.warn({ environment, fault }, 'no request by these signing settings is accepted: set them anew');
  if (config.acceptRollback !== undefined) log.warn({ doubt: guard.doubt }, acceptedRollback(guard));
  if (guard.unremembered) tellUnremembered(alarms, feed.ledger.head.installation, headFileOf(config));
  // What was counted since the last minute is entered before the store is closed.
  stack.defer(() =>
    usageLog.flush().then(
      () => {},
      () => {},
    ),
  );
  return { feed, places, policies, guard, usageLog, unreadable };
}

/** A flag that was left in a unit file would accept whatever lies there at the next start. */
function acceptedRollback({ doubt }: RollbackGuard): string {
  return doubt === null
    ? '--accept-rollback: there was nothing to accept; take the flag out, since it accepts the next older database too'
    : '--accept-rollback: the database is served though it is not known to be the one last answered from; take the flag out now';
}

/** It starts all the same: the file stays behind where data moves, and whoever lost it has nothing else to go on with. */
function tellUnremembered(alarms: Alarms, installation: string, file: string): void {
  const detail = `nothing in ${file}: whether entries are missing at the end of this database could not be told`;
  alarms.raise('HEAD_NOT_REMEMBERED', installation, detail);
}

/** Named by place, not by what the database says of itself: another's database has another name for itself. */
export function headFileOf({ headFile, userDataFolder, databaseUrl, dataFolder }: Config): string {
  const place = databaseUrl === undefined ? dataFolder : databasePlace(new URL(databaseUrl));
  return headFile ?? join(userDataFolder, `${hash('sha256', place, 'hex').slice(0, 16)}.head`);
}

/** Without who opens it and with what: those change, and a name must not tell whether a password was guessed. */
function databasePlace({ hostname, port, pathname, searchParams }: URL): string {
  return [searchParams.get('host') ?? hostname, searchParams.get('port') ?? port, pathname].join(' ');
}
