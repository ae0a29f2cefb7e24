import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { readVectors } from './missing-part.ts';

/** Members of a case are hex unless they are numbers. */
export interface Case {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly comment: string;
  readonly flags: readonly string[];
  readonly [member: string]: string | number | readonly string[];
}

export interface Group {
  readonly keySize: number;
  readonly ivSize?: number;
  readonly tagSize?: number;
  /** Of a file about signatures, hex of its SubjectPublicKeyInfo. */
  readonly publicKeyDer?: string;
  readonly tests: readonly Case[];
}

interface Vectors {
  readonly numberOfTests: number;
  readonly testGroups: readonly Group[];
}

export const bytesOf = (test: Case, member: string): Buffer => Buffer.from(String(test[member]), 'hex');
export const nameOf = ({ tcId, comment }: Case): string => `case ${tcId} (${comment})`;

/** Runs a whole file: each group is what we use, or counted as what we don't. */
export function eachCase(
  t: TestContext,
  file: string,
  isUsed: (group: Group) => boolean,
  check: (test: Case, group: Group) => void,
): void {
  const vectors = readVectors<Vectors>(t, `wycheproof/${file}`);
  if (vectors === null) return;
  const counts = { valid: 0, invalid: 0, acceptable: 0, notApplicable: 0 };
  for (const group of vectors.testGroups) {
    for (const test of group.tests) {
      if (!isUsed(group)) counts.notApplicable++;
      else {
        check(test, group);
        counts[test.result]++;
      }
    }
  }
  const { valid, invalid, acceptable, notApplicable } = counts;
  assert.equal(valid + invalid + acceptable + notApplicable, vectors.numberOfTests, 'the whole file');
  assert.ok(valid > 0 && invalid + acceptable > 0);
  const rest = `${acceptable > 0 ? `${acceptable} acceptable, ` : ''}${notApplicable} not applicable`;
  t.diagnostic(`${file}: ${vectors.numberOfTests} cases: ${valid} valid, ${invalid} invalid, ${rest}`);
}
