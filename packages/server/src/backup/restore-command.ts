import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import type { DrillStep } from '@keyhold/protocol/operations/backup';
import { type Config, ConfigError } from '../config.ts';
import { openData } from '../database/open-data.ts';
import { decryptStream } from '../delivery/age-stream.ts';
import { refuseLooseFile, refuseLooseFolder } from '../file-modes.ts';
import { openRestored } from './open-restored.ts';
import { linesOfStream } from './lines.ts';
import { type Restored, RestoreRefused, restoreBackup } from './restore-backup.ts';

/** What a restore tells whoever asked for it. */
export interface RestoreReport {
  readonly installation: string;
  readonly sequence: number;
  readonly hash: string | null;
  readonly at: string;
  readonly rows: number;
}

/** What a drill tells; null is what it did not come to. */
export interface DrillReport {
  readonly installation: string | null;
  readonly sequence: number | null;
  readonly hash: string | null;
  readonly at: string | null;
  readonly rows: number | null;
  readonly envelopes: number | null;
  /** Personal parts of entries. */
  readonly sides: number | null;
  /** What it would not have served for; null where it would have. */
  readonly failed: DrillStep | null;
  /** The same in words, for whoever looks; they are in no entry. */
  readonly why: string | null;
}

/** The same for people. */
export function describeRestore({ installation, sequence, at, rows }: RestoreReport): string[] {
  return [
    `restored  ${installation} up to entry ${sequence}, as of ${at}`,
    `checked   ${rows} rows and the whole chain`,
    'next      start it once with --accept-rollback and the reason; what was open then is ended',
  ];
}

export function describeDrill({
  installation,
  sequence,
  at,
  rows,
  envelopes,
  sides,
  failed,
  why,
}: DrillReport): string[] {
  return [
    ...(installation === null ? [] : [`drilled   ${installation} up to entry ${sequence}, as of ${at}`]),
    ...(rows === null ? [] : [`checked   ${rows} rows and the whole chain`]),
    failed === null
      ? `opened    ${envelopes} envelopes, and the personal parts of ${sides} entries`
      : `failed    ${why}`,
  ];
}

/** `restore`: puts a backup into an empty place. */
export async function runRestore(config: Config): Promise<RestoreReport> {
  await using stack = new AsyncDisposableStack();
  const { header, rows } = (await restoreInto(config, config, stack)).restored;
  const { installation, sequence, hash, at } = header;
  return { installation, sequence, hash, at, rows };
}

/** `restore --drill`: the same beside, in a temporary folder; opens all that is encrypted, and leaves nothing behind. */
export async function runDrill(config: Config): Promise<DrillReport> {
  const beside = mkdtempSync(join(tmpdir(), 'keyhold-drill-'));
  let found = { installation: null, sequence: null, hash: null, at: null, rows: null } as RestoreReport | Unknown;
  try {
    await using stack = new AsyncDisposableStack();
    const texts = config.restore.inputFiles.map((file) => readSecret('input file', file).trim());
    const place = { dataFolder: beside, databaseUrl: undefined };
    const { store, restored } = await restoreInto(place, config, stack);
    const { installation, sequence, hash, at } = restored.header;
    found = { installation, sequence, hash, at, rows: restored.rows };
    const opened = await openRestored(store, restored.header, config, texts);
    return { ...found, ...opened, failed: null, why: null };
  } catch (error) {
    if (!(error instanceof RestoreRefused)) throw error;
    return { ...found, envelopes: null, sides: null, failed: error.step, why: error.message };
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

type Unknown = { readonly [K in keyof RestoreReport]: null };

async function restoreInto(
  place: Pick<Config, 'dataFolder' | 'databaseUrl'>,
  { restore: { input, identityFile } }: Config,
  stack: AsyncDisposableStack,
) {
  if (input === undefined) throw new ConfigError('restore needs --input FILE');
  if (identityFile === undefined) throw new ConfigError('restore needs --identity-file FILE with an age identity');
  // A file that is not there says nothing of a backup, and no place is made for it.
  const sealed = stack.use(await open(input));
  mkdirSync(place.dataFolder, { recursive: true, mode: 0o700 });
  refuseLooseFolder(place.dataFolder);
  const store = await openData(place, stack);
  const restored: Restored = await restoreBackup(store, linesOfStream(await plainOf(sealed, identityFile)));
  return { store, restored };
}

/** @throws LooseModes where others could read it too */
function readSecret(what: string, file: string): string {
  refuseLooseFile(what, file);
  return readFileSync(file, 'utf8');
}

async function plainOf(file: FileHandle, identityFile: string): Promise<AsyncIterable<Uint8Array>> {
  const identities = readSecret('age identity', identityFile)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('AGE-SECRET-KEY-'));
  if (identities.length === 0) throw new ConfigError(`${identityFile} holds no age identity (AGE-SECRET-KEY-…)`);
  const sealed = Readable.toWeb(file.createReadStream({ autoClose: false })) as unknown as ReadableStream<Uint8Array>;
  try {
    const plain = await decryptStream(identities, sealed);
    return whole(Readable.fromWeb(plain as unknown as NodeReadableStream<Uint8Array>));
  } catch (error) {
    throw new RestoreRefused(`it does not open with the identity given (${(error as Error).message})`);
  }
}

/** A file that was cut off or changed shows when its next part does not open. */
async function* whole(plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* plain;
  } catch (error) {
    throw new RestoreRefused(`it is cut off or damaged (${(error as Error).message})`);
  }
}
