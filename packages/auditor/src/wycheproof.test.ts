import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { noteKey, SIGNATURE_TYPES, type SignatureType } from '@keyhold/protocol/log/signed-note';
import { NODE_CHECKER } from './node-checker.ts';
import { BROWSER_CHECKER } from './page/browser-checker.ts';

const vectors = process.env['KEYHOLD_VECTORS'];
if (vectors === undefined && process.env['CI'] === 'true') throw new Error('KEYHOLD_VECTORS names no folder in CI');
const skip = vectors === undefined && 'KEYHOLD_VECTORS names no folder with the vectors of Wycheproof';

interface Case {
  readonly tcId: number;
  readonly comment: string;
  readonly msg: string;
  readonly sig: string;
  readonly ctx?: string;
  readonly result: 'valid' | 'invalid';
}

interface Group {
  readonly publicKey: string | { readonly pk: string };
  readonly tests: readonly Case[];
}

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const LENGTH_OF_KEY: Readonly<Record<number, number>> = {
  [SIGNATURE_TYPES.ed25519]: 32,
  [SIGNATURE_TYPES.mlDsa44]: 1312,
};

describe('Wycheproof, by both checkers of signatures of the log', () => {
  for (const [file, type] of [
    ['ed25519_test.json', SIGNATURE_TYPES.ed25519],
    ['mldsa_44_verify_test.json', SIGNATURE_TYPES.mlDsa44],
  ] as const satisfies readonly (readonly [string, SignatureType])[]) {
    it(`${file}: both accept what is valid, and nothing that is not`, { skip }, (t) => {
      const text = readFileSync(join(vectors as string, 'wycheproof', file), 'utf8');
      const { numberOfTests, testGroups } = JSON.parse(text) as { numberOfTests: number; testGroups: Group[] };
      const counts = { valid: 0, invalid: 0, notApplicable: 0 };
      for (const { publicKey, tests } of testGroups) {
        const bytes = hex(typeof publicKey === 'string' ? publicKey : publicKey.pk);
        for (const { tcId, comment, msg, sig, ctx = '', result } of tests) {
          // The log signs with no context, and a verifier key that is not as long as its kind is none.
          if (ctx !== '' || bytes.length !== LENGTH_OF_KEY[type]) {
            counts.notApplicable++;
            continue;
          }
          const key = noteKey(NODE_CHECKER.sha256, 'wycheproof', type, bytes);
          for (const [name, { verify }] of Object.entries({ NODE_CHECKER, BROWSER_CHECKER })) {
            const accepted = verify(key, hex(msg), hex(sig));
            assert.equal(accepted, result === 'valid', `${name}: case ${tcId} (${comment})`);
          }
          counts[result]++;
        }
      }
      const { valid, invalid, notApplicable } = counts;
      assert.equal(valid + invalid + notApplicable, numberOfTests, 'the whole file');
      assert.ok(valid > 50 && invalid > 50);
      t.diagnostic(
        `${file}: ${numberOfTests} cases: ${valid} valid, ${invalid} invalid, ${notApplicable} not applicable`,
      );
    });
  }
});
