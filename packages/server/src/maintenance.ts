import { isRefusal } from '@keyhold/protocol/errors';
import { expireApprovals } from './access/approvals/expire-approvals.ts';
import { syncAll } from './access/scim/sync-roles.ts';
import { findUnreviewed } from './access/break-glass/break-glass.store.ts';
import type { DenialLog } from './access/denial-log.ts';
import type { DecisionLog } from './access/policies/record-decisions.ts';
import type { Exporter } from './audit/exporter.ts';
import type { TransparencyLog } from './audit/log.ts';
import { deleteWhatWasPruned, pruneLog } from './audit/prune-log.ts';
import type { PersonalParts } from './audit/personal-parts.ts';
import { finishOffboardings, type OffboardContext } from './compliance/finish-offboarding.ts';
import type { Clock } from './clock.ts';
import type { Scratch } from './database/scratch.ts';
import type { Store } from './database/store.ts';
import type { FeedHub } from './feed/feed-hub.ts';
import type { LeaseBook } from './feed/lease-book.ts';
import { forgetHolders } from './feed/lease-holders.store.ts';
import type { Alarms } from './ledger/alarms.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { LivedTime } from './ledger/lived-time.ts';
import { forgetOldKeys } from './ledger/idempotency.store.ts';
import { verifyChain } from './ledger/verify-chain.ts';
import { expireDeliveries } from './delivery/expire-deliveries.ts';
import { replaceHandedKeys } from './verification/replace-handed-keys.ts';
import { finishDestroying } from './keys/finish-destroying.ts';
import { lapseUnusedKeys } from './keys/lapse-unused-keys.ts';
import { listLapseRules } from './keys/unused-keys.store.ts';
import { detectInexactReplay } from './verification/detect-inexact-replay.ts';
import type { UsageLog } from './verification/usage-log.ts';
import type { Vault } from './vault/vault.ts';
import { type CheckedRow, FACT_TABLES, readChecked } from './ledger/checked-rows.ts';

interface Maintained {
  readonly store: Store;
  readonly scratch: Scratch;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly book: LeaseBook;
  readonly hub: FeedHub;
  readonly alarms: Alarms;
  readonly tampered: (rowId: string) => void;
  /** Begins to re-wrap what is left to. */
  readonly rewrap: () => void;
  readonly vault: Vault;
  readonly usageLog: UsageLog;
  readonly denials: DenialLog;
  readonly decisions: DecisionLog;
  readonly offboarding: OffboardContext;
  /** What entries are old and keys unused by. */
  readonly livedTime: LivedTime;
  /** Days that entries are kept; undefined: for good. */
  readonly auditDays: number | undefined;
  readonly audit: { readonly log: TransparencyLog; readonly personal: PersonalParts; readonly exporter: Exporter };
}

const ROWS_PER_READ = 500;
const SECOND_MS = 1_000;
const QUARTER_MINUTE_MS = 15_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Timed work of the control plane. The returned function ends it. */
export function startMaintenance(maintained: Maintained): () => void {
  const { clock } = maintained;
  let stopped = false;
  const cancels = new Set<() => void>();
  const every = (milliseconds: number, work: () => Promise<void>) => {
    const run = () => {
      cancels.delete(cancel);
      // A store that can't be used now is tried again the next time.
      void work()
        .catch(() => {})
        .finally(() => stopped || every(milliseconds, work));
    };
    const cancel = clock.after(milliseconds, run);
    cancels.add(cancel);
  };
  every(MINUTE_MS, () => forgetGoneVerifiers(maintained));
  every(MINUTE_MS, () => maintained.livedTime.keep());
  every(MINUTE_MS, () => detectInexactReplay({ ...maintained, reader: maintained.store.reader }));
  every(QUARTER_MINUTE_MS, () => maintained.hub.dropExpired());
  every(HOUR_MS, () => forgetOldKeys(maintained.store.writer, clock.wall() - DAY_MS));
  every(HOUR_MS, () => checkChain(maintained));
  every(HOUR_MS, () => deleteWhatWasPruned(maintained));
  every(HOUR_MS, () => pruneOld(maintained));
  every(HOUR_MS, () => maintained.audit.personal.forgetKeys());
  every(HOUR_MS, async () => void (await lapseUnusedKeys({ ...maintained, reader: maintained.store.reader })));
  every(
    QUARTER_MINUTE_MS,
    async () => void (await expireDeliveries({ ...maintained, reader: maintained.store.reader })),
  );
  // A run ends where the store does not answer.
  every(MINUTE_MS, async () => {
    // A token may end by time.
    await replaceHandedKeys(maintained.vault);
    maintained.rewrap();
  });
  every(SECOND_MS, () => maintained.audit.log.publish());
  every(SECOND_MS, () => maintained.audit.exporter.run());
  every(MINUTE_MS, async () => void (await maintained.usageLog.flush()));
  every(MINUTE_MS, async () => void (await maintained.denials.flush()));
  every(5 * SECOND_MS, () => maintained.decisions.flush());
  every(HOUR_MS, () => maintained.decisions.forget());
  every(HOUR_MS, () => tellUnreviewed(maintained));
  void tellUnreviewed(maintained).catch(() => {});
  every(MINUTE_MS, () => maintained.vault.keyring.clearForgotten());
  every(MINUTE_MS, () => expireApprovals({ ...maintained, reader: maintained.store.reader }));
  every(MINUTE_MS, () => keepPersonal(maintained.audit.personal));
  const finish = async () => void (await finishOffboardings(maintained.offboarding, maintained.alarms));
  every(MINUTE_MS, finish);
  void finish().catch(() => {});
  const destroy = async () => void (await finishDestroying({ ...maintained, reader: maintained.store.reader }));
  every(HOUR_MS, destroy);
  void destroy().catch(() => {});
  every(10 * MINUTE_MS, () => syncAll(maintained.offboarding));
  void syncAll(maintained.offboarding).catch(() => {});
  void checkChain(maintained).catch(() => {});
  return () => {
    stopped = true;
    for (const cancel of cancels) cancel();
  };
}

/**
 * As somebody who asks for it does, but for entries that tell whether a key lapses, which stay as long as that takes. What
 * keeps it from being done now is told, and tried again in an hour.
 */
async function pruneOld(maintained: Maintained): Promise<void> {
  const { auditDays, livedTime, store, alarms, vault, audit } = maintained;
  if (auditDays === undefined || vault.keyring.sealed) return;
  const rules = await listLapseRules(store.reader);
  const days = Math.max(auditDays, ...rules.map(({ unused_days }) => unused_days ?? 0));
  const before = livedTime.now() - days * DAY_MS;
  const pruned = await pruneLog({ vault, store, log: audit.log, livedTime }, { actor: 'system' }, before);
  if (isRefusal(pruned)) {
    if (pruned.refused === 'LOG_FORGED')
      alarms.raise('LOG_FORGED', `${vault.ledger.head.installation}/entries`, pruned.detail);
  } else if (pruned.heldBy !== null) {
    const { id, name, sequence } = pruned.heldBy;
    alarms.raise('EXPORT_LAGS', id, `the export ${name} keeps entries behind ${sequence} from being given up`);
  }
}

/** Whoever went on without approvals is looked at within three days. */
async function tellUnreviewed({ store, clock, alarms }: Maintained): Promise<void> {
  for (const id of await findUnreviewed(store.reader, clock.wall() - 3 * DAY_MS))
    alarms.raise('BREAK_GLASS_UNREVIEWED', id, 'nobody has reviewed it for three days');
}

/** Keys for when it is sealed; and what was written while it was goes where it belongs. */
async function keepPersonal(personal: PersonalParts): Promise<void> {
  await personal.ensurePeriods();
  await personal.move();
  await personal.forgetPeriods();
}

async function forgetGoneVerifiers({ book, scratch }: Maintained): Promise<void> {
  // Chosen and deleted under the lock of grants: else one could be booked as stored while its row goes.
  await scratch.write(async (tables) => forgetHolders(tables, book.forgetGone()));
}

/** Follows the chain, then compares every row with it: who wrote past the ledger is found within the hour. */
async function checkChain({ store, ledger, alarms, tampered }: Maintained): Promise<void> {
  const fault = await verifyChain(store.reader, ledger.head);
  if (fault !== null) alarms.raise('CHAIN_BROKEN', `entry ${fault.sequence}`, fault.detail);
  for (const table of FACT_TABLES) {
    for (let after: string | null = ''; after !== null; ) {
      const page: { rows: CheckedRow[]; last: string | null } = await readChecked(
        store.reader,
        table,
        after,
        ROWS_PER_READ,
      );
      for (const row of page.rows) if ('tampered' in row) tampered(row.tampered);
      after = page.last;
      await new Promise(setImmediate);
    }
  }
}
