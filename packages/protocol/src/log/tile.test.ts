import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { appendLeaves, EMPTY_FRONTIER, perfectRoot, rootOf } from './merkle.ts';
import { TILE_WIDTH, tileHashes } from './tile.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
const hashes = Array.from({ length: TILE_WIDTH }, (_, i) => sha256(Uint8Array.of(i)));

it('a tile comes apart into the hashes that it was put together from', () => {
  for (const width of [0, 1, 3, TILE_WIDTH]) {
    const bytes = new Uint8Array(Buffer.concat(hashes.slice(0, width)));
    assert.deepEqual(
      tileHashes(bytes).map((part) => Buffer.from(part)),
      hashes.slice(0, width),
      `${width} hashes`,
    );
  }
});

it('the root of 2^n hashes is that of the tree that has grown to them one by one', () => {
  for (let width = 1; width <= TILE_WIDTH; width *= 2) {
    const row = hashes.slice(0, width);
    const grown = rootOf(sha256, appendLeaves(sha256, EMPTY_FRONTIER, row));
    assert.deepEqual(perfectRoot(sha256, row), grown, `${width} hashes`);
    assert.deepEqual(row, hashes.slice(0, width), 'and they are left as they were');
  }
});
