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
import { entriesOf, TILE_WIDTH } from '@keyhold/protocol/log/tile';
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
  /** What earlier checks read, and what it makes: their sizes' roots, and the tree at the largest of them. */
  #entries: string[] = [];
  #made = new Map<number, Uint8Array>();
  #tree: Frontier = EMPTY_FRONTIER;
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
   * Makes every root from the entries, and holds the log to all that it said before.
   * @param acknowledged file with lines `sequence subject` of what a writer was told
   * @param reads `new`: whole bundles that an earlier check read are not read again; a checkpoint over them is still
   *   held to what they were
   * @returns how many entries there are
   */
  async check(acknowledged: string | null, reads: 'all' | 'new' = 'all'): Promise<number> {
    // Before anything else is asked: the writer may be at it still.
    const lines = acknowledged === null ? [] : readFileSync(acknowledged, 'utf8').split('\n').slice(0, -1);
    const { body } = await this.#asked.call('GET', '/v1/audit/log');
    this.receipts.push({ sequence: body.sequence, receipt: await fetchReceipt(this.#asked, body.sequence) });
    const size = await this.note();
    await this.#readEntries(size, reads);
    this.#makeRoots(reads);
    for (const [at, root] of this.#roots) {
      assert.ok(isSameHash(root, this.#made.get(at) as Uint8Array), `the entries make another tree of size ${at}`);
    }
    await this.#checkProofs(size);
    await this.#checkReceipts(this.#entries);
    checkAcknowledged(lines, this.#entries);
    return size;
  }

  async #readEntries(size: number, reads: 'all' | 'new'): Promise<void> {
    const before = this.#entries;
    const whole = reads === 'new' ? Math.floor(before.length / TILE_WIDTH) : 0;
    const entries = before.slice(0, whole * TILE_WIDTH);
    for (const path of pathsOf(size)
      .filter((path) => path.startsWith('tile/entries/'))
      .slice(whole)) {
      const bundle = entriesOf(await fetchTile(this.#asked, path));
      assert.ok(bundle, `${path} is no bundle`);
      entries.push(...bundle.map((entry) => Buffer.from(entry).toString()));
    }
    assert.equal(entries.length, size);
    for (let i = whole * TILE_WIDTH; i < size; i++) {
      assert.equal(JSON.parse(entries[i] as string).sequence, i + 1, 'an index was reused');
      assert.equal(entries[i], before[i] ?? entries[i], `entry ${i + 1} is another now`);
    }
    this.#entries = entries;
  }

  /** Roots of the trees that were signed, from the entries alone. */
  #makeRoots(reads: 'all' | 'new'): void {
    const wanted = [...this.#roots.keys()].sort((a, b) => a - b);
    if (reads === 'all' || wanted.some((size) => size < this.#tree.size && !this.#made.has(size))) {
      this.#made = new Map();
      this.#tree = EMPTY_FRONTIER;
    }
    for (const size of wanted.filter((size) => !this.#made.has(size))) {
      const leaves = this.#entries.slice(this.#tree.size, size).map((entry) => leafHash(sha256, Buffer.from(entry)));
      this.#tree = appendLeaves(sha256, this.#tree, leaves);
      this.#made.set(size, rootOf(sha256, this.#tree));
    }
  }

  async #checkProofs(size: number): Promise<void> {
    for (const from of [...this.checkpoints.keys()].slice(-PROOFS_AT_ONCE)) {
      const { status, body } = await this.#asked.call('GET', `/v1/audit/proofs/consistency?from=${from}&to=${size}`);
      assert.equal(status, 200, JSON.stringify(body));
      const rootAt = (at: number) => ({ size: at, root: this.#made.get(at) as Uint8Array });
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
