import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import type { Leaf } from '@keyhold/protocol/leaf';
import { systemClock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import { decryptWith, encryptTo, newPair } from '../delivery/pair-cipher.ts';
import type { SideRow } from '../ledger/side.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { sealSide } from '../vault/personal-cipher.ts';
import { PersonalParts } from './personal-parts.ts';
import { periodOf } from './personal-keys.ts';

/** A ledger and its personal parts, with nothing around them. */
async function openParts(place: TestPlace) {
  const own = await openOwnVault(place);
  const pair = { newPair, encryptTo, decryptWith };
  const parts = new PersonalParts({ vault: own.vault, scratch: new Scratch(own.store), place: own.place, pair });
  own.vault.ledger.encryptSides(parts.prepare);
  await own.gate.openByItself();
  return {
    ...own,
    parts,
    /** An entry of somebody, with a side; its leaf, and the side as it is stored. */
    enter: async (actor: string, side: Record<string, string>): Promise<{ leaf: Leaf; row: SideRow }> => {
      const draft = { actor, action: 'test.entered', subject: actor, side, evenWithoutChange: true } as const;
      const recorded = await own.vault.ledger.record(draft, async () => null);
      assert.ok(!isRefusal(recorded));
      const { reader } = own.store;
      const at = recorded.sequence;
      const { leaf } = await reader
        .selectFrom('entries')
        .where('sequence', '=', at)
        .select('leaf')
        .executeTakeFirstOrThrow();
      const row = await reader
        .selectFrom('entry_sides')
        .where('sequence', '=', at)
        .selectAll()
        .executeTakeFirstOrThrow();
      return { leaf: JSON.parse(leaf) as Leaf, row };
    },
  };
}

onEachDatabase('what a leaf commits to decides, not the key that a side lies under', (createPlace) => {
  it('another salt or text under the very key and place of a side is told as broken, and never shown', async () => {
    await using place = await createPlace();
    await using opened = await openParts(place);
    const { leaf, row } = await opened.enter('tok_one', { ip: '203.0.113.9' });
    const found = await opened.parts.open(leaf, row);
    assert.ok(found.state === 'shown');
    const key = await opened.parts.keys.obtain('tok_one', periodOf(systemClock.wall()));
    assert.ok(!isRefusal(key));
    const sealed = (side: { salt: string; text: string }) => ({
      ...row,
      body: sealSide(key, JSON.stringify(side), leaf.side as string),
    });
    const { salt, text } = found;
    assert.deepEqual(await opened.parts.open(leaf, sealed({ salt, text })), found);
    for (const other of [
      { salt: 'ab'.repeat(32), text },
      { salt, text: '{"ip":"198.51.100.7"}' },
    ])
      assert.deepEqual(await opened.parts.open(leaf, sealed(other)), { state: 'broken' });
    assert.deepEqual(opened.alarms, [leaf.id, leaf.id]);
  });

  it('the side of another under the same month’s key is told as broken, and not moved under its subject’s key', async () => {
    await using place = await createPlace();
    await using opened = await openParts(place);
    await opened.parts.ensurePeriods();
    await opened.gate.close({ actor: 'system' });
    const one = await opened.enter('tok_one', { ip: '203.0.113.1' });
    const two = await opened.enter('tok_two', { ip: '203.0.113.2' });
    await using raw = await openRaw(place);
    const put = (body: string) =>
      raw.run(`update entry_sides set body = '${body}' where sequence = ${one.leaf.sequence}`);
    await put(two.row.body);
    assert.ok(!isRefusal(await opened.gate.unseal({ actor: 'system' }, {})));
    assert.deepEqual(await opened.parts.open(one.leaf, two.row), { state: 'broken' });
    const staying = await opened.parts.move();
    assert.deepEqual(staying, [{ sequence: one.leaf.sequence, keyId: one.row.key_id, about: null }]);
    await put(one.row.body);
    assert.deepEqual(await opened.parts.move(), [], 'its own goes');
  });
});
