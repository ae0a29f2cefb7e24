import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { sha256 } from '@keyhold/auditor/note-crypto';
import {
  appendLeaves,
  EMPTY_FRONTIER,
  type Frontier,
  isSameHash,
  leafHash,
  rootOf,
} from '@keyhold/protocol/log/merkle';
import { verifyConsistency } from '@keyhold/protocol/log/merkle-proofs';
import { readReceipt } from '@keyhold/protocol/log/receipt';
import type { NoteKey } from '@keyhold/protocol/log/signed-note';
import { entriesOf } from '@keyhold/protocol/log/tile';
import { fetchCheckpoint, fetchKeys, fetchReceipt, fetchTile, pathsOf, proofOf } from './downloaded-log.ts';
import type { TestInstallation } from './installation.ts';
import { openCheckpoint, ownJudge } from './strangers/own.ts';

type Asked = Pick<TestInstallation, 'controlUrl' | 'bootstrapToken' | 'call'>;

/** Consistency proofs asked of the server in one check; the roots of all others are made from the entries. */
const PROOFS_AT_ONCE = 20;
/** Receipts verified in one check, the newest. */
const RECEIPTS_AT_ONCE = 100;

/** Remembers what a log said, and holds it to that: it may die in between, and say more, but nothing else. */
export class PublishedBefore {
  readonly #asked: Asked;
  /** By their size, each of which was signed by all keys when it came. */
  readonly checkpoints = new Map<number, Uint8Array>();
  readonly #roots = new Map<number, Uint8Array>();
  #keys: readonly NoteKey[] | null = null;
  readonly receipts: { readonly sequence: number; readonly receipt: string }[] = [];
  consistencies = 0;

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  /** Fetches checkpoints, and receipts of the newest entries, until the process is gone or `enough` says so. */
  async watch(enough: (size: number) => boolean): Promise<void> {
    for (;;) {
      try {
        const size = await this.note();
        const { body } = await this.#asked.call('GET', '/v1/audit/log');
        // The newest entry has no checkpoint yet: one is made for the receipt.
        this.receipts.push({ sequence: body.sequence, receipt: await fetchReceipt(this.#asked, body.sequence) });
        if (enough(size)) return;
      } catch {
        // Killed, or about to be; what it had said before counts.
        return;
      }
    }
  }

  /** @returns the size of the newest checkpoint */
  async note(): Promise<number> {
    const note = await fetchCheckpoint(this.#asked);
    if (note === null) return 0;
    this.#keys ??= (await fetchKeys(this.#asked)).keys;
    const { size, root } = openCheckpoint(this.#keys, note);
    const before = this.#roots.get(size);
    assert.ok(before === undefined || isSameHash(root, before), `two trees of size ${size} were signed`);
    this.checkpoints.set(size, note);
    this.#roots.set(size, root);
    return size;
  }

  /**
   * Makes every root anew from the entries, and holds the log to all that it said before.
   * @param acknowledged file with lines `sequence subject` of what a writer was told
   * @returns how many entries there are
   */
  async check(acknowledged: string | null): Promise<number> {
    // Before anything else is asked: the writer may be at it still.
    const lines = acknowledged === null ? [] : readFileSync(acknowledged, 'utf8').split('\n').slice(0, -1);
    const { body } = await this.#asked.call('GET', '/v1/audit/log');
    this.receipts.push({ sequence: body.sequence, receipt: await fetchReceipt(this.#asked, body.sequence) });
    const size = await this.note();
    const entries = await this.#entries(size);
    const roots = rootsOf(entries, new Set(this.checkpoints.keys()));
    for (const [at, root] of this.#roots) {
      assert.ok(isSameHash(root, roots.get(at) as Uint8Array), `the entries make another tree of size ${at}`);
    }
    await this.#checkProofs(size, roots);
    await this.#checkReceipts(entries);
    checkAcknowledged(lines, entries);
    return entries.length;
  }

  async #entries(size: number): Promise<string[]> {
    const entries: string[] = [];
    for (const path of pathsOf(size).filter((path) => path.startsWith('tile/entries/'))) {
      const bundle = entriesOf(await fetchTile(this.#asked, path));
      assert.ok(bundle, `${path} is no bundle`);
      entries.push(...bundle.map((entry) => Buffer.from(entry).toString()));
    }
    assert.equal(entries.length, size);
    for (const [i, entry] of entries.entries()) assert.equal(JSON.parse(entry).sequence, i + 1, 'an index was reused');
    return entries;
  }

  async #checkProofs(size: number, roots: ReadonlyMap<number, Uint8Array>): Promise<void> {
    for (const from of [...this.checkpoints.keys()].slice(-PROOFS_AT_ONCE)) {
      const { status, body } = await this.#asked.call('GET', `/v1/audit/proofs/consistency?from=${from}&to=${size}`);
      assert.equal(status, 200, JSON.stringify(body));
      const rootAt = (at: number) => ({ size: at, root: roots.get(at) as Uint8Array });
      const claim = { from: rootAt(from), to: rootAt(size) };
      assert.ok(verifyConsistency(sha256, claim, proofOf(body)), `no consistency from ${from} to ${size}`);
      this.consistencies++;
    }
  }

  async #checkReceipts(entries: readonly string[]): Promise<void> {
    const receipts = this.receipts.slice(-RECEIPTS_AT_ONCE);
    const shown = receipts.map(({ receipt }) => ({ kind: 'receipt' as const, bytes: Buffer.from(receipt) }));
    const answers = await ownJudge(this.#keys as readonly NoteKey[], '').judge(shown);
    for (const [i, { sequence, receipt }] of receipts.entries()) {
      assert.equal(answers[i], null, `the receipt of ${sequence}`);
      const { index, extra } = readReceipt(receipt) ?? {};
      assert.equal(index, sequence - 1);
      assert.equal(Buffer.from(extra ?? '').toString(), entries[sequence - 1], `entry ${sequence} is another now`);
    }
  }
}

/** Roots of the trees of these sizes, from the entries alone. */
function rootsOf(entries: readonly string[], sizes: ReadonlySet<number>): Map<number, Uint8Array> {
  const roots = new Map<number, Uint8Array>();
  let tree: Frontier = EMPTY_FRONTIER;
  for (const size of [...sizes].sort((a, b) => a - b)) {
    const leaves = entries.slice(tree.size, size).map((entry) => leafHash(sha256, Buffer.from(entry)));
    tree = appendLeaves(sha256, tree, leaves);
    if (tree.size === size) roots.set(size, rootOf(sha256, tree));
  }
  return roots;
}

function checkAcknowledged(lines: readonly string[], entries: readonly string[]): void {
  const sequences = new Set<string>();
  for (const line of lines) {
    const [sequence, subject] = line.split(' ') as [string, string];
    assert.ok(!sequences.has(sequence), `${sequence} was given twice`);
    sequences.add(sequence);
    const entry = entries[Number(sequence) - 1];
    assert.ok(entry !== undefined, `acknowledged and lost: entry ${sequence}`);
    assert.equal(JSON.parse(entry).subject, subject, `entry ${sequence} is not the acknowledged one`);
  }
}
