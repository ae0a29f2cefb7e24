import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import { decryptWith, encryptTo, newPair } from '../delivery/pair-cipher.ts';
import { onEachDatabase } from '../testing/databases.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { PersonalParts } from './personal-parts.ts';

onEachDatabase('entries that were given up', (createPlace) => {
  it('leave no key behind of a month that is over once nothing lies under it, and no other goes', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    let now = Date.UTC(2026, 9, 20);
    const vault = { ...own.vault, clock: { ...systemClock, wall: () => now } };
    const pair = { newPair, encryptTo, decryptWith };
    const personal = new PersonalParts({ vault, scratch: new Scratch(own.store), place: own.place, pair });
    await own.gate.openByItself();
    for (let i = 0; i < 50; i++) await personal.keys.obtain(`tok_${i}`, '2026-10');
    const side = { about: 'tok_7', atMs: now, salt: '00'.repeat(32), text: '{"ip":"203.0.113.9"}' };
    const { row } = await personal.prepare(side);
    await using raw = await openRaw(place);
    await raw.run(`insert into entry_sides (sequence, key_id, salt, body) values (1, '${row?.key_id}', '', '')`);
    const subjects = async () =>
      (await raw.rows('select subject, period from personal_keys order by period, subject')).map(
        ({ subject, period }) => `${subject} ${period}`,
      );
    now = Date.UTC(2026, 10, 1, 12);
    await personal.keys.obtain('tok_7', '2026-11');
    await personal.forgetKeys();
    assert.equal((await subjects()).length, 51, 'the month is hardly over');
    now = Date.UTC(2026, 10, 3);
    await personal.forgetKeys();
    assert.deepEqual(await subjects(), ['tok_7 2026-10', 'tok_7 2026-11']);
    // A late one is kept under a new key, not under what was destroyed.
    const late = await personal.prepare({ ...side, about: 'tok_8' });
    assert.deepEqual(await subjects(), ['tok_7 2026-10', 'tok_8 2026-10', 'tok_7 2026-11']);
    assert.equal((await raw.rows(`select 1 from personal_keys where id = '${late.row?.key_id}'`)).length, 1);
  });

  it('are no reason for who has a subject erased to wait until every key of theirs is gone', async () => {
    await using place = await createPlace();
    await using own = await openOwnVault(place);
    const { ledger } = own.vault;
    const action = 'personal-key.destroyed';
    const ended: string[] = [];
    let moving: Promise<unknown> | undefined;
    const record: Ledger['record'] = async (draft, change) => {
      if (draft.action !== action) return await ledger.record(draft, change as never);
      moving ??= personal.move().then(() => ended.push('moved'));
      const recorded = await ledger.record(draft, change as never);
      ended.push(action);
      return recorded as never;
    };
    const watched = new Proxy(ledger, {
      get: (of, name) => (name === 'record' ? record : Reflect.get(of, name, of)),
    });
    const vault = { ...own.vault, ledger: watched, clock: { ...systemClock, wall: () => Date.UTC(2026, 10, 3) } };
    const pair = { newPair, encryptTo, decryptWith };
    const personal = new PersonalParts({ vault, scratch: new Scratch(own.store), place: own.place, pair });
    await own.gate.openByItself();
    for (let i = 0; i < 81; i++) await personal.keys.obtain(`tok_${i}`, '2026-10');
    await personal.forgetKeys();
    await moving;
    assert.deepEqual(ended, [action, 'moved', action, action]);
  });
});
