import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import type { Entry } from '@keyhold/protocol/operations/audit';
import type { TestAnswer } from './installation.ts';

/** Who can be asked: any control plane. */
export interface Callable {
  call(method: string, path: string): Promise<TestAnswer>;
}

const PAGE = 200;

/** Reads the whole log and follows it as a stranger would; then the control plane's own judgement: no alarms. */
export async function checkWholeChain(installation: Callable): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cursor: string | null = null;
  do {
    const from: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const { status, body } = await installation.call('GET', `/v1/audit/entries?order=asc&limit=${PAGE}${from}`);
    assert.equal(status, 200, JSON.stringify(body));
    entries.push(...body.items);
    cursor = body.nextCursor;
  } while (cursor !== null);
  let previous: string | null = null;
  for (const [i, entry] of entries.entries()) {
    const leaf = JSON.parse(entry.leaf);
    assert.equal(entry.sequence, i + 1, 'an entry is missing');
    assert.equal(leaf.sequence, i + 1, 'a leaf stands in the wrong place');
    assert.equal(leaf.previous, previous, `entry ${i + 1} does not follow the one before`);
    assert.equal(hash('sha256', entry.leaf, 'hex'), entry.hash, `entry ${i + 1} has another hash`);
    previous = entry.hash;
  }
  const { body: head } = await installation.call('GET', '/v1/installation');
  assert.deepEqual(head.alarms, []);
  return entries;
}
