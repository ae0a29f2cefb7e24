import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { LogExportRow } from '../database/schema.ts';
import type { Scratch } from '../database/scratch.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { listEntries } from '../ledger/entries.store.ts';
import type { Vault } from '../vault/vault.ts';
import { appendBatch, type ExportBatch, exportFile, postBatch } from './export-target.ts';
import { type ExportProgress, keepProgress, listExports, readProgress } from './exports.store.ts';
import type { LogKey } from './open-log-keys.ts';
import type { PersonalParts } from './personal-parts.ts';
import { showEntry } from './show-entry.ts';

const BATCH = 200;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Tries in a row that may fail before it is an alarm. */
const FAILURES_TO_ALARM = 5;

export interface ExporterOptions {
  readonly vault: Vault;
  readonly scratch: Scratch;
  readonly personal: PersonalParts;
  /** Where files go. */
  readonly folder: string;
  /** What webhooks are signed with. */
  readonly signingKey: () => Promise<LogKey | Refusal>;
  /** Raises the alarm that entries pile up. */
  readonly lagging: (id: string, detail: string) => void;
}

/**
 * Sends every entry to every export, in order, at least once: the cursor moves when the target has it, and waits where
 * it does not. Nothing is left out; how far it is behind is shown.
 */
export class Exporter {
  readonly #options: ExporterOptions;
  readonly #notBefore = new Map<string, number>();
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  /** Sends what there is; one run at a time. */
  run(): Promise<void> {
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Ends after the batch that is on its way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => {});
  }

  async #runAll(): Promise<void> {
    const { vault } = this.#options;
    const ids = (await listExports(vault.reader)).map(({ id }) => id);
    const rows: LogExportRow[] = [];
    for (const checked of await readCheckedRows(vault.reader, ['log_exports'], ids)) {
      // INVARIANT: nothing goes where somebody pointed it past the ledger.
      if ('tampered' in checked) vault.tampered(checked.tampered);
      else rows.push(checked.row as LogExportRow);
    }
    await Promise.all(rows.map((row) => this.#runOne(row)));
  }

  async #runOne(row: LogExportRow): Promise<void> {
    const { vault, scratch } = this.#options;
    for (;;) {
      const now = vault.clock.wall();
      if (this.#stopped || (this.#notBefore.get(row.id) ?? 0) > now) return;
      const progress = (await readProgress(vault.reader, row.id)) ?? firstProgress(row);
      const batch = await this.#batchAfter(row, progress.sequence);
      if (batch === null) return;
      const failed = await this.#send(row, batch);
      const next: ExportProgress =
        failed === null
          ? { sequence: batch.to, failures: 0, last_error: null, delivered_at: now }
          : { ...progress, failures: progress.failures + 1, last_error: failed };
      await scratch.write((tables) => keepProgress(tables, row.id, next));
      if (failed !== null) return this.#pause(row, next);
    }
  }

  #pause({ id, name }: LogExportRow, { failures, last_error }: ExportProgress): void {
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
    this.#notBefore.set(id, this.#options.vault.clock.wall() + pause);
    if (failures === FAILURES_TO_ALARM) this.#options.lagging(id, `the export ${name} is behind: ${last_error}`);
  }

  /** What went wrong, or null. */
  async #send(row: LogExportRow, batch: ExportBatch): Promise<string | null> {
    try {
      if (row.kind === 'file') appendBatch(exportFile(this.#options.folder, row.name), batch);
      else {
        const key = await this.#options.signingKey();
        if (isRefusal(key)) return key.detail;
        await postBatch(row, batch, key.privateKey);
      }
      return null;
    } catch (error) {
      return causeOf(error);
    }
  }

  async #batchAfter({ personal: isPersonal }: LogExportRow, after: number): Promise<ExportBatch | null> {
    const { vault, personal } = this.#options;
    const head = vault.ledger.head.sequence;
    if (after >= head) return null;
    const entries = await listEntries(vault.reader, { order: 'asc', from: after + 1, to: head, limit: BATCH });
    const shown = await Promise.all(entries.map((entry) => showEntry(isPersonal === 1 ? personal : null, entry)));
    // What is sealed now is sent when it is open: it would be missing for good.
    const sealed = shown.findIndex(({ sideState }) => sideState === 'sealed');
    const ready = sealed < 0 ? shown : shown.slice(0, sealed);
    const [first, last] = [ready[0], ready.at(-1)] as [Entry?, Entry?];
    if (first === undefined || last === undefined) return null;
    const lines = ready.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    return { from: first.sequence, to: last.sequence, lines, atMs: vault.clock.wall() };
  }
}

export function firstProgress({ first_sequence }: LogExportRow): ExportProgress {
  return { sequence: first_sequence - 1, failures: 0, last_error: null, delivered_at: null };
}

/** Without what an address may carry: only the kind of fault. */
function causeOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  return cause?.code ?? message;
}
