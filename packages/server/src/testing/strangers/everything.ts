import { type NoteKey, SIGNATURE_TYPES } from '@keyhold/protocol/log/signed-note';
import { entriesOf, TILE_WIDTH, tilePath, tileWidth } from '@keyhold/protocol/log/tile';
import { type DownloadedLog, fetchReceipt, proofOf, sizeOf } from '../downloaded-log.ts';
import type { ProcessInstallation } from '../process-installation.ts';
import type { PublishedBefore } from '../published-before.ts';
import {
  flip,
  flippedProofs,
  flippedReceiptSignatures,
  flippedReceipts,
  flippedSignatures,
  flippedTexts,
} from './flipped.ts';
import type { Shown } from './shown.ts';

/** Of each kind of thing. */
const SAMPLES = 60;
/** Flips of each tile, bundle or entry that is sampled. */
const FLIPS = 4;

/** All that a log publishes, and a sample of what it proves. */
export async function everythingOf(
  installation: ProcessInstallation,
  log: DownloadedLog,
  published: PublishedBefore,
  random: () => number,
): Promise<Shown[]> {
  const { note, size } = log;
  const ask = async (path: string) => proofOf((await installation.call('GET', `/v1/audit/proofs/${path}`)).body);
  const shown: Shown[] = [{ kind: 'log', note }];
  for (const older of published.checkpoints.values()) {
    const proof = await ask(`consistency?from=${sizeOf(older)}&to=${size}`);
    shown.push({ kind: 'checkpoint', note: older }, { kind: 'consistency', from: older, note, proof });
  }
  for (const { receipt } of published.receipts) shown.push({ kind: 'receipt', bytes: Buffer.from(receipt) });
  for (let i = 0; i < SAMPLES; i++) {
    const sequence = i === 0 ? size : 1 + Math.floor(random() * size);
    const proof = await ask(`inclusion?sequence=${sequence}&size=${size}`);
    shown.push(
      { kind: 'receipt', bytes: Buffer.from(await fetchReceipt(installation, sequence)) },
      { kind: 'inclusion', note, index: sequence - 1, bytes: entryAt(log, sequence - 1), proof },
    );
  }
  for (const path of log.paths) shown.push({ kind: kindOf(path), note, path, bytes: log.read(path) });
  return shown;
}

/**
 * Samples of it, each with one byte flipped somewhere, by where that is.
 * @param keys whose signatures are flipped too
 */
export function flippedOf(
  log: DownloadedLog,
  shown: readonly Shown[],
  keys: readonly NoteKey[],
  random: () => number,
): Readonly<Record<string, Shown[]>> {
  const some = <K extends Shown['kind']>(kind: K) => {
    const all = shown.filter((one): one is Extract<Shown, { kind: K }> => one.kind === kind);
    return Array.from({ length: Math.min(SAMPLES, all.length) }, () => all[Math.floor(random() * all.length)] as never);
  };
  const bytes = (kind: 'inclusion' | 'tile' | 'bundle') =>
    (some(kind) as Extract<Shown, { bytes: Uint8Array }>[]).flatMap((one) =>
      Array.from({ length: FLIPS }, () => ({ ...one, bytes: flip(one.bytes, random) })),
    );
  const checkpoint = (note: Uint8Array): Shown => ({ kind: 'checkpoint', note });
  const receipts = some('receipt') as Extract<Shown, { kind: 'receipt' }>[];
  const receipt = (changed: Uint8Array): Shown => ({ kind: 'receipt', bytes: changed });
  const flipped: Record<string, Shown[]> = {
    entry: [...bytes('inclusion'), ...bytes('bundle')],
    tile: bytes('tile'),
    checkpoint: flippedTexts(log.note, random).map(checkpoint),
    receipt: receipts.flatMap((one) => flippedReceipts(one.bytes, random)).map(receipt),
    proof: [...some('inclusion'), ...some('consistency')].flatMap((one) => flippedProofs(one, random)),
  };
  for (const { type, keyId } of keys) {
    const name = type === SIGNATURE_TYPES.ed25519 ? 'Ed25519' : 'ML-DSA-44';
    flipped[`${name} signature`] = flippedSignatures(log.note, keyId, random).map(checkpoint);
    flipped[`${name} signature in a receipt`] = receipts
      .flatMap((one) => flippedReceiptSignatures(one.bytes, keyId, random, FLIPS))
      .map(receipt);
  }
  return flipped;
}

function kindOf(path: string): 'tile' | 'bundle' {
  return path.startsWith('tile/entries/') ? 'bundle' : 'tile';
}

function entryAt(log: DownloadedLog, index: number): Uint8Array {
  const number = Math.floor(index / TILE_WIDTH);
  const path = tilePath({ level: 'entries', number, width: tileWidth(0, number, log.size) });
  return (entriesOf(log.read(path)) as Uint8Array[])[index % TILE_WIDTH] as Uint8Array;
}
