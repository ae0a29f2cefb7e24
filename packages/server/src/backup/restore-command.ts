import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import { systemClock } from '../clock.ts';
import { type Config, ConfigError } from '../config.ts';
import { openData } from '../database/open-data.ts';
import { Scratch } from '../database/scratch.ts';
import type { Store } from '../database/store.ts';
import { decryptStream } from '../delivery/age-stream.ts';
import { Ledger } from '../ledger/ledger.ts';
import { EMPTY_TREE } from '../ledger/tree.ts';
import { systemRandom } from '../random.ts';
import { readKeyFile } from '../vault/file-seal.ts';
import { collectGarbage } from '../vault/collect-garbage.ts';
import { Keyring } from '../vault/keyring.ts';
import { KeyUses } from '../vault/key-uses.ts';
import { parametersOf, unwrapRootKey } from '../vault/root-key.ts';
import { readSeal } from '../vault/seals.store.ts';
import { Turns } from '../vault/turns.ts';
import type { Vault } from '../vault/vault.ts';
import { linesOfStream } from './lines.ts';
import { openEveryEnvelope } from './open-every-envelope.ts';
import { type Restored, RestoreRefused, restoreBackup } from './restore-backup.ts';

/** What a restore tells whoever asked for it. */
export interface RestoreReport {
  readonly installation: string;
  readonly sequence: number;
  readonly hash: string | null;
  readonly at: string;
  readonly rows: number;
  /** Of a drill: envelopes opened; null where the seal's key is not a file that lies here. */
  readonly envelopes: number | null;
  readonly drill: boolean;
}

/** The same for people. */
export function describeRestore({ installation, sequence, at, rows, envelopes, drill }: RestoreReport): string[] {
  const opened =
    envelopes === null
      ? 'no envelope was opened: its seal is no key file that lies here'
      : `${envelopes} envelopes opened`;
  return [
    `${drill ? 'drilled' : 'restored'}  ${installation} up to entry ${sequence}, as of ${at}`,
    `checked   ${rows} rows and the whole chain`,
    ...(drill
      ? [`          ${opened}`]
      : ['next      start it with --accept-rollback and the reason, if it replaces a newer one']),
  ];
}

/**
 * `restore`: puts a backup into an empty place. With `--drill` it does so beside, in a temporary folder, opens every
 * envelope where it can, and leaves nothing behind.
 */
export async function runRestore(config: Config): Promise<RestoreReport> {
  const { input, identityFile, drill } = config.restore;
  if (input === undefined) throw new ConfigError('restore needs --input FILE');
  if (identityFile === undefined) throw new ConfigError('restore needs --identity-file FILE with an age identity');
  const beside = drill ? mkdtempSync(join(tmpdir(), 'keyhold-drill-')) : undefined;
  try {
    await using stack = new AsyncDisposableStack();
    const place = beside === undefined ? config : { dataFolder: beside, databaseUrl: undefined };
    mkdirSync(place.dataFolder, { recursive: true, mode: 0o700 });
    const store = await openData(place, stack);
    const restored = await restoreBackup(store, linesOfStream(await plainOf(input, identityFile)));
    const envelopes = drill ? await openEnvelopes(store, restored, config) : null;
    const { installation, sequence, hash, at } = restored.header;
    return { installation, sequence, hash, at, rows: restored.rows, envelopes, drill };
  } finally {
    if (beside !== undefined) rmSync(beside, { recursive: true, force: true });
  }
}

async function plainOf(input: string, identityFile: string): Promise<AsyncIterable<Uint8Array>> {
  const identity = readFileSync(identityFile, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line.startsWith('AGE-SECRET-KEY-'));
  if (identity === undefined) throw new ConfigError(`${identityFile} holds no age identity (AGE-SECRET-KEY-…)`);
  const sealed = Readable.toWeb(createReadStream(input)) as unknown as ReadableStream<Uint8Array>;
  try {
    const plain = await decryptStream(identity, sealed);
    return whole(Readable.fromWeb(plain as unknown as NodeReadableStream<Uint8Array>));
  } catch (error) {
    throw new RestoreRefused(`it does not open with this identity (${(error as Error).message})`);
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

/** Where the seal is a file that lies here, every envelope is opened; else only people can, and it is said so. */
async function openEnvelopes(store: Store, { header }: Restored, config: Config): Promise<number | null> {
  const seal = await readSeal(store.reader);
  if (seal === null || 'tampered' in seal) throw new RestoreRefused('its seal is not what was recorded');
  const parameters = parametersOf(seal);
  if (parameters.kind !== 'file') return null;
  const keyFile = config.keyFile ?? join(config.userDataFolder, `${header.installation}.key`);
  const vault = vaultOver(store, header);
  vault.keyring.unseal(unwrapRootKey(header.installation, seal, readKeyFile(keyFile, parameters)));
  const { opened, broken } = await openEveryEnvelope(store, vault);
  if (broken.length > 0) throw new RestoreRefused(`${broken.length} envelopes do not open: ${broken[0]}`);
  return opened;
}

/** A vault that only reads: nothing is recorded in what was restored for a drill. */
function vaultOver(store: Store, { installation, epoch, sequence, hash }: Restored['header']): Vault {
  const options = {
    store,
    clock: systemClock,
    newId: systemRandom.newId,
    newSalt: () => Buffer.from(systemRandom.bytes(32)).toString('hex'),
    committed: () => {},
    recovered: async () => {},
    tampered: () => {},
  };
  return {
    keyring: new Keyring(collectGarbage),
    sealTurns: new Turns(),
    uses: new KeyUses(new Scratch(store)),
    ledger: new Ledger(options, { installation, epoch, sequence, hash, tree: EMPTY_TREE }),
    reader: store.reader,
    clock: systemClock,
    random: systemRandom,
    broken: () => {},
    takenTwice: () => {},
    tampered: () => {},
  };
}
