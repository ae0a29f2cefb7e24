import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { isRefusal } from '@keyhold/protocol/errors';
import { createExport, type NewExport, removeExport } from '../audit/change-exports.ts';
import { Exporter } from '../audit/exporter.ts';
import { type ExportProgress, readProgress } from '../audit/exports.store.ts';
import type { PersonalParts } from '../audit/personal-parts.ts';
import type { Clock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import type { TestPlace } from './databases.ts';
import { openOwnVault } from './own-vault.ts';

const CALLER = { actor: 'system' };

/** An exporter over a real database, whose time, faults and lag a test decides. */
export async function openOwnExporter(place: TestPlace) {
  const own = await openOwnVault(place);
  const { ledger, random, reader } = own.vault;
  const real = new Scratch(own.store);
  const { privateKey } = generateKeyPairSync('ed25519');
  const control = {
    /** Of both clocks. */
    now: 0,
    /** How far somebody set the wall clock. */
    wallOff: Date.UTC(2026, 0, 1),
    /** Entries that there are said to be beyond those that there are. */
    further: 0,
    /** Asked before each write of progress; throws where the store is to fail. */
    beforeWrite: () => {},
    lags: [] as string[],
    alarmed: [] as string[],
    caughtUp: [] as string[],
    tampered: [] as string[],
    /** Rows of all queries. */
    rowsRead: 0,
  };
  const counting = reader.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      control.rowsRead += result.rows.length;
      return result;
    },
  });
  const clock: Clock = {
    wall: () => control.wallOff + control.now,
    monotonic: () => control.now,
    after: () => () => {},
  };
  const head = { get: () => ({ sequence: ledger.head.sequence + control.further }) };
  const start = (): Exporter =>
    new Exporter({
      vault: {
        reader: counting,
        clock,
        ledger: Object.defineProperty({} as { head: { sequence: number } }, 'head', head),
        tampered: (id) => control.tampered.push(id),
      },
      scratch: {
        write: async (work) => {
          control.beforeWrite();
          return await real.write(work);
        },
      },
      personal: null as unknown as PersonalParts,
      folder: join(place.folder, 'exports'),
      signingKey: async () => ({ privateKey }),
      lagging: (_id, detail) => control.lags.push(detail),
      alarmed: () => control.alarmed,
      caughtUp: (id) => control.caughtUp.push(id),
    });
  const changing = { ledger, random, clock };
  const exporter = start();
  const create = (input: NewExport) => createExport(changing, CALLER, input, (name) => exporter.hasFile(name));
  return {
    control,
    ledger,
    exporter,
    /** Another one over the same database, as after a crash. */
    start,
    create,
    /** The id of an export to an address, from the first entry on. */
    hooked: async (name: string, url: string): Promise<string> =>
      idOf(await create({ name, kind: 'webhook', url, from: 1 })),
    filed: async (name: string): Promise<string> => idOf(await create({ name, kind: 'file', from: 1 })),
    remove: (id: string) => removeExport(changing, CALLER, id),
    progress: (id: string): Promise<ExportProgress | undefined> => readProgress(reader, id),
    /** Each with so many bytes more. */
    enter: async (count: number, bytes = 0): Promise<void> => {
      const code = 'x'.repeat(bytes);
      const draft = { ...CALLER, action: 'test.happened', subject: 'system', code, evenWithoutChange: true as const };
      await Promise.all(Array.from({ length: count }, () => ledger.record(draft, async () => null)));
    },
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
}

function idOf(created: Awaited<ReturnType<typeof createExport>>): string {
  if (isRefusal(created)) throw new Error(created.detail);
  return created.value.id;
}
