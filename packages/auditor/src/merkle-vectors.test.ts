import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { verifyConsistency, verifyInclusion } from '@keyhold/protocol/log/merkle-proofs';
import { sha256 } from './note-crypto.ts';

const vectors = process.env['KEYHOLD_VECTORS'];
if (vectors === undefined && process.env['CI'] === 'true') throw new Error('KEYHOLD_VECTORS names no folder in CI');
const skip = vectors === undefined && 'KEYHOLD_VECTORS names no folder with the vectors of transparency-dev/merkle';

interface Vector {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly size1: number;
  readonly size2: number;
  readonly root1: string;
  readonly root2: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

const bytes = (text: string) => Buffer.from(text, 'base64');

function* filesOf(kind: string): Generator<[name: string, vector: Vector]> {
  const folder = join(vectors as string, 'merkle/testdata', kind);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (name.endsWith('.json')) yield [name, JSON.parse(readFileSync(join(folder, name), 'utf8')) as Vector];
  }
}

describe('vectors of transparency-dev/merkle', () => {
  it('agrees on every inclusion proof', { skip }, (context) => {
    let count = 0;
    for (const [name, { leafIdx, treeSize, root, leafHash, proof, wantErr }] of filesOf('inclusion')) {
      const claim = { index: leafIdx, size: treeSize, root: bytes(root), leafHash: bytes(leafHash) };
      assert.equal(verifyInclusion(sha256, claim, (proof ?? []).map(bytes)), !wantErr, name);
      count++;
    }
    assert.equal(count, 98);
    context.diagnostic(`${count} inclusion vectors`);
  });

  it('agrees on every consistency proof', { skip }, (context) => {
    let count = 0;
    for (const [name, { size1, size2, root1, root2, proof, wantErr }] of filesOf('consistency')) {
      const claim = { from: { size: size1, root: bytes(root1) }, to: { size: size2, root: bytes(root2) } };
      assert.equal(verifyConsistency(sha256, claim, (proof ?? []).map(bytes)), !wantErr, name);
      count++;
    }
    assert.equal(count, 98);
    context.diagnostic(`${count} consistency vectors`);
  });
});
