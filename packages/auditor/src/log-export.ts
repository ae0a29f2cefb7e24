import { fromBase64 } from '@keyhold/protocol/log/base64';
import {
  appendNodes,
  EMPTY_FRONTIER,
  type Frontier,
  HASH_BYTES,
  isSameHash,
  rootOf,
} from '@keyhold/protocol/log/merkle';
import { perfectNodes } from '@keyhold/protocol/log/merkle-paths';
import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { ChainCheck } from './chain-check.ts';
import { type CheckedCheckpoint, checkCheckpoint } from './check-checkpoint.ts';
import type { Checker } from './check-receipt.ts';
import { compareToOrigin } from './installation-of.ts';

/**
 * A file with a run of entries: JSON Lines, the first of which says what the others are, with what has to be hashed
 * before and behind them to come to the root that its checkpoint names.
 */
export interface ExportHeader {
  readonly 'keyhold-log-export': 1;
  readonly origin: string;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly checkpoint: string;
}

const FIELDS: ReadonlySet<string> = new Set<keyof ExportHeader>([
  'keyhold-log-export',
  'origin',
  'from',
  'to',
  'size',
  'before',
  'after',
  'checkpoint',
]);

export function isExportHeader(value: unknown): value is ExportHeader {
  if (typeof value !== 'object' || value === null) return false;
  const header = value as ExportHeader;
  const { from, to, size } = header;
  return (
    // What nobody checks, nobody should find in a file that verifies.
    Object.keys(header).every((name) => FIELDS.has(name)) &&
    header['keyhold-log-export'] === 1 &&
    [from, to, size].every(Number.isSafeInteger) &&
    from >= 1 &&
    from <= to &&
    to <= size &&
    [header.origin, header.checkpoint].every(isText) &&
    [header.before, header.after].every((hashes) => Array.isArray(hashes) && hashes.every(isText))
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** Checks a run of entries as its lines come. */
export class ExportCheck {
  readonly chain: ChainCheck;
  readonly #header: ExportHeader;
  readonly #checker: Checker;

  /** @param header one by {@link isExportHeader} */
  constructor(checker: Checker, header: ExportHeader) {
    this.#checker = checker;
    this.#header = header;
    const before = frontierOf(checker, EMPTY_FRONTIER, 0, header.from - 1, header.before);
    this.chain = new ChainCheck(checker.sha256, before ?? EMPTY_FRONTIER);
    if (before === null) this.chain.fail('what lies before the entries is not what such a file says of it');
  }

  /** To be called behind the last entry; null where a fault was found. */
  finish(trust: TrustPolicy): CheckedCheckpoint | null {
    const { chain } = this;
    const { origin, to, size, after, checkpoint } = this.#header;
    if (chain.fault !== null) return null;
    if (chain.last !== to) return this.#fail(`the file ends at entry ${chain.last}, and says it goes to ${to}`);
    const tree = frontierOf(this.#checker, chain.tree, to, size, after);
    if (tree === null) return this.#fail('what lies behind the entries is not what such a file says of it');
    const checked = checkCheckpoint(this.#checker.verify, trust, checkpoint);
    if (typeof checked === 'string') return this.#fail(checked);
    if (origin !== checked.checkpoint.origin) {
      return this.#fail(`the file says that it is of the log "${origin}", and its checkpoint of another`);
    }
    const isRoot = isSameHash(rootOf(this.#checker.sha256, tree), checked.checkpoint.root);
    if (checked.checkpoint.size !== size || !isRoot) {
      return this.#fail('the entries do not make the tree that the checkpoint names');
    }
    const foreign = compareToOrigin(chain.installation ?? '', checked.checkpoint.origin);
    return foreign === null ? checked : this.#fail(foreign);
  }

  #fail(detail: string): null {
    this.chain.fail(detail);
    return null;
  }
}

/** Null where the hashes are not those of `start` to `end`. */
function frontierOf(
  { sha256 }: Checker,
  tree: Frontier,
  start: number,
  end: number,
  encoded: readonly string[],
): Frontier | null {
  const nodes = perfectNodes({ start, end });
  const hashes = encoded.map(fromBase64);
  if (hashes.length !== nodes.length || !hashes.every((hash) => hash?.length === HASH_BYTES)) return null;
  return appendNodes(sha256, tree, hashes as Uint8Array[], (i) => 2 ** (nodes[i]?.level ?? 0));
}
