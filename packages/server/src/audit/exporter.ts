import { existsSync } from 'node:fs';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { LogExportRow } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import type { Vault } from '../vault/vault.ts';
import { BATCH_BYTES, type Gap, nextBatch } from './export-batch.ts';
import { appendBatch, BatchTooLarge, type ExportBatch, exportFile, postBatch } from './export-target.ts';
import {
  type ExportProgress,
  forgetProgress,
  keepProgress,
  listExports,
  listProgress,
  readProgress,
} from './exports.store.ts';
import type { LogKey } from './open-log-keys.ts';
import type { PersonalParts } from './personal-parts.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Tries in a row that may fail before it is an alarm. */
const FAILURES_TO_ALARM = 5;
/** An export that is further behind for longer is an alarm, though nothing fails. */
const FAR_BEHIND = 10_000;
const FAR_BEHIND_MS = 600_000;

export interface ExporterOptions {
  readonly vault: Pick<Vault, 'clock' | 'reader' | 'tampered'> & {
    readonly ledger: { readonly head: { readonly sequence: number } };
  };
  readonly scratch: Pick<Scratch, 'write'>;
  readonly personal: PersonalParts;
  /** Where files go. */
  readonly folder: string;
  /** What webhooks are signed with. */
  readonly signingKey: () => Promise<Pick<LogKey, 'privateKey'> | Refusal>;
  /** Raises the alarm that entries pile up. */
  readonly lagging: (id: string, detail: string) => void;
  /** Ids of what that alarm was raised about. */
  readonly alarmed: () => readonly string[];
  /** Told when nothing is left to send, also to what was removed: what comes after is another alarm. */
  readonly caughtUp: (id: string) => void;
}

/** What is known of an export while we run; times are the monotonic clock's. */
interface Pace {
  /** The pause after a failure ends. */
  notBefore: number;
  /** Since when it has been far behind. */
  farSince: number | null;
  /** Half of what its target did not take, and more again with each batch that it takes. */
  mostBytes: number;
}

/**
 * Sends every entry to every export, in order, at least once: the cursor moves when the target has it, and waits where
 * it does not. Nothing is left out; how far it is behind is shown.
 */
export class Exporter {
  readonly #options: ExporterOptions;
  readonly #paces = new Map<string, Pace>();
  /** Each by itself: none waits for another, and none is sent to twice at once. */
  readonly #senders = new Map<string, Promise<void>>();
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  /** Begins to send what there is, to whom nothing is being sent; does not wait until it is sent. */
  run(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** When everything that was begun has ended. */
  async settled(): Promise<void> {
    await this.#looking?.catch(() => {});
    await Promise.all(this.#senders.values());
  }

  /** Ends after the batches that are on their way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.settled();
  }

  /** Whether there is a file of an export of this name, also of one that was removed. */
  hasFile(name: string): boolean {
    return existsSync(exportFile(this.#options.folder, name));
  }

  async #look(): Promise<void> {
    const { reader } = this.#options.vault;
    // Read first: what has come somewhere, or lagged, and is no export now was removed, and is none that is new.
    const alarmed = this.#options.alarmed();
    const progress = await listProgress(reader);
    const listed = (await listExports(reader)).map(({ id }) => id);
    const rows = await this.#checked([...new Set([...progress.keys(), ...listed])]);
    for (const row of rows.values()) {
      if (row === null) continue;
      this.#noteLag(row, progress.get(row.id) ?? firstProgress(row));
      this.#begin(row.id);
    }
    for (const id of this.#paces.keys()) if (!rows.has(id)) this.#paces.delete(id);
    for (const id of alarmed) if (!rows.has(id)) this.#options.caughtUp(id);
    const gone = [...progress.keys()].filter((id) => !rows.has(id));
    if (gone.length > 0) await this.#options.scratch.write((tables) => forgetProgress(tables, gone));
  }

  /** Rows that are what the ledger recorded; null for one that is not, and nothing for one that was removed. */
  async #checked(ids: readonly string[]): Promise<Map<string, LogExportRow | null>> {
    const { vault } = this.#options;
    const rows = new Map<string, LogExportRow | null>();
    for (const checked of await readCheckedRows(vault.reader, ['log_exports'], ids)) {
      if ('tampered' in checked) {
        vault.tampered(checked.tampered);
        rows.set(checked.tampered, null);
      } else rows.set(checked.row.id, checked.row as LogExportRow);
    }
    return rows;
  }

  #begin(id: string): void {
    if (this.#stopped || this.#senders.has(id)) return;
    // What the store refuses now is tried again the next time.
    const sender = this.#sendAll(id)
      .catch(() => {})
      .finally(() => this.#senders.delete(id));
    this.#senders.set(id, sender);
  }

  async #sendAll(id: string): Promise<void> {
    for (let more = true; more; ) {
      if (this.#stopped || this.#pace(id).notBefore > this.#options.vault.clock.monotonic()) return;
      // INVARIANT: nothing goes where somebody pointed it past the ledger, nor to what was removed meanwhile.
      const row = (await this.#checked([id])).get(id) ?? null;
      if (row === null) return;
      more = await this.#sendNext(row);
    }
  }

  /** Whether there may be more to send. */
  async #sendNext(row: LogExportRow): Promise<boolean> {
    const { reader } = this.#options.vault;
    let progress = (await readProgress(reader, row.id)) ?? firstProgress(row);
    const batch = await this.#nextBatch(row, progress);
    if (batch === null) {
      if (progress.failures === 0 && progress.sequence >= this.#options.vault.ledger.head.sequence) {
        this.#options.caughtUp(row.id);
      }
      return false;
    }
    if (typeof batch === 'string') return await this.#failed(row, progress, batch);
    if ('missing' in batch) return await this.#failed(row, progress, `entry ${batch.missing} is missing`, true);
    if (row.kind === 'webhook' && progress.sending !== batch.to) {
      progress = { ...progress, sending: batch.to };
      await this.#keep(row.id, progress);
    }
    const failed = await this.#send(row, batch);
    const pace = this.#pace(row.id);
    if (failed instanceof BatchTooLarge && batch.to > batch.from) {
      // It has nothing of it, so what goes next need not be the same; nor has anything failed, for half is left to try.
      pace.mostBytes = Math.floor(Buffer.byteLength(batch.lines) / 2);
      await this.#keep(row.id, { ...progress, sending: null });
      return true;
    }
    if (failed !== null) return await this.#failed(row, progress, causeOf(failed));
    // What it did not take once it may take again.
    pace.mostBytes = Math.min(BATCH_BYTES, pace.mostBytes * 2);
    const delivered_at = this.#options.vault.clock.wall();
    await this.#keep(row.id, { sequence: batch.to, sending: null, failures: 0, last_error: null, delivered_at });
    return true;
  }

  async #nextBatch(row: LogExportRow, progress: ExportProgress): Promise<ExportBatch | Gap | string | null> {
    const { vault, personal } = this.#options;
    const { reader, clock, ledger } = vault;
    try {
      const { mostBytes } = this.#pace(row.id);
      const source = { reader, personal, head: ledger.head.sequence, atMs: clock.wall(), mostBytes };
      return await nextBatch(source, row, progress);
    } catch {
      return 'its entries could not be read';
    }
  }

  async #failed(row: LogExportRow, progress: ExportProgress, reason: string, atOnce = false): Promise<false> {
    const failures = progress.failures + 1;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
    this.#pace(row.id).notBefore = this.#options.vault.clock.monotonic() + pause;
    if (atOnce || failures >= FAILURES_TO_ALARM) this.#lagging(row, reason);
    await this.#keep(row.id, { ...progress, failures, last_error: reason });
    return false;
  }

  #noteLag(row: LogExportRow, { sequence }: ExportProgress): void {
    const { vault } = this.#options;
    const pace = this.#pace(row.id);
    const lag = vault.ledger.head.sequence - sequence;
    const now = vault.clock.monotonic();
    pace.farSince = lag > FAR_BEHIND ? (pace.farSince ?? now) : null;
    if (pace.farSince !== null && now - pace.farSince >= FAR_BEHIND_MS) {
      this.#lagging(row, `${lag} entries are left to send`);
    }
  }

  #lagging({ id, name }: LogExportRow, reason: string): void {
    this.#options.lagging(id, `the export ${name} is behind: ${reason}`);
  }

  #pace(id: string): Pace {
    const known = this.#paces.get(id);
    if (known !== undefined) return known;
    const pace: Pace = { notBefore: Number.NEGATIVE_INFINITY, farSince: null, mostBytes: BATCH_BYTES };
    this.#paces.set(id, pace);
    return pace;
  }

  async #keep(id: string, progress: ExportProgress): Promise<void> {
    await this.#options.scratch.write((tables) => keepProgress(tables, id, progress));
  }

  /** What went wrong, or null. */
  async #send(row: LogExportRow, batch: ExportBatch): Promise<Error | null> {
    try {
      if (row.kind === 'file') appendBatch(exportFile(this.#options.folder, row.name), batch);
      else {
        const key = await this.#options.signingKey();
        if (isRefusal(key)) return new Error(key.detail);
        await postBatch(row, batch, key.privateKey);
      }
      return null;
    } catch (error) {
      return error as Error;
    }
  }
}

export function firstProgress({ first_sequence }: LogExportRow): ExportProgress {
  return { sequence: first_sequence - 1, sending: null, failures: 0, last_error: null, delivered_at: null };
}

/** Without what an address may carry: only the kind of fault. */
function causeOf(error: Error): string {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  return cause?.code ?? message;
}
