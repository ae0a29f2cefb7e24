import type { TrustPolicy } from '@keyhold/protocol/log/trust-policy';
import { fromBase64 } from '@keyhold/protocol/log/base64';
import { DIALECT_NAMES, type DialectName } from '@keyhold/protocol/dialects/settings';
import { type CheckedReceipt, type Checker, checkReceipt } from './check-receipt.ts';
import { sideProblem, toHex } from './side-check.ts';

/** A file with one signed request, as the log has it: a receipt of its entry, and what that entry commits to. */
export interface EvidenceFile {
  readonly 'keyhold-evidence': 1;
  readonly receipt: string;
  readonly side: unknown;
  readonly sideSalt: string;
}

/** A request that was signed with the key, with the entry that says so. */
export interface CheckedEvidence {
  readonly receipt: CheckedReceipt;
  /** As the operator says; it is among those that there are. */
  readonly dialect: DialectName;
  /** What was signed. */
  readonly base: Uint8Array;
}

/** Whether a signature is the public key's, over a base. */
export type VerifyEvidence = (base: Uint8Array, signature: Uint8Array) => boolean;

/**
 * Checks that a request was signed with a key, and that the log has it. The key has to come from its holder or whoever
 * vouches for it: the operator of the log could name one of his own.
 * @returns a text that says why it proves nothing
 */
export function checkEvidence(
  checker: Checker,
  trust: TrustPolicy,
  file: unknown,
  given: { readonly verify: VerifyEvidence; readonly base: Uint8Array | null },
): CheckedEvidence | string {
  if (!isEvidenceFile(file)) return 'this is no evidence: "keyhold audit evidence" writes it';
  const receipt = checkReceipt(checker, trust, file.receipt);
  if (typeof receipt === 'string') return receipt;
  if (receipt.leaf.side === null) return 'the entry commits to nothing beside it';
  const problem = sideProblem(checker.sha256, file, receipt.leaf);
  if (problem !== null) return problem;
  const { dialect, base: encoded, baseDigest, signature } = evidenceIn(file.side);
  const signed = typeof signature === 'string' ? fromBase64(signature) : null;
  // The consumer did not sign it, and whoever reads what was proven is not to read another's words.
  const known = DIALECT_NAMES.find((name) => name === dialect);
  if (known === undefined || signed === null) return 'nothing was signed in the request of this entry';
  const base = typeof encoded === 'string' ? fromBase64(encoded) : given.base;
  if (base === null) return 'what was signed is too long for an entry: give the file that holds it';
  if (typeof baseDigest === 'string' && toHex(checker.sha256(base)) !== baseDigest) {
    return 'the file that was given is not what was signed';
  }
  if (!given.verify(base, signed)) return 'the signature is not of this key over what the entry says was signed';
  return { receipt, dialect: known, base };
}

function isEvidenceFile(file: unknown): file is EvidenceFile {
  if (typeof file !== 'object' || file === null) return false;
  const { receipt, side, sideSalt, ...rest } = file as Partial<EvidenceFile>;
  const told = Object.keys(rest).join() === 'keyhold-evidence' && rest['keyhold-evidence'] === 1;
  return (
    told && typeof receipt === 'string' && typeof sideSalt === 'string' && typeof side === 'object' && side !== null
  );
}

function evidenceIn(side: unknown): Readonly<Record<string, unknown>> {
  const { evidence } = side as { evidence?: unknown };
  return typeof evidence === 'object' && evidence !== null ? (evidence as Readonly<Record<string, unknown>>) : {};
}
