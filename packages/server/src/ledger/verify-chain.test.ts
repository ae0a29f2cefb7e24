import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { before, it } from 'node:test';
import { join } from 'node:path';
import { canonicalJson } from '@keyhold/protocol/canonical-json';
import { openPostgres, openSqlite } from '../database/store.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { readHead } from './head.ts';
import { type ChainFault, verifyChain } from './verify-chain.ts';

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;

onEachDatabase('following the chain', (createPlace) => {
  const shared = shareMarket(createPlace);

  before(async () => {
    for (let i = 0; i < 3; i++) await shared().market.issue();
  });

  const verify = async (): Promise<ChainFault | null> => {
    const { folder, databaseUrl } = shared().place;
    await using store = await (databaseUrl === undefined
      ? openSqlite(join(folder, 'keyhold.db'))
      : openPostgres(databaseUrl));
    const head = await readHead(store.reader);
    assert.ok(head);
    return await verifyChain(store.reader, head);
  };

  const entry = async (raw: RawDatabase, action: string): Promise<{ sequence: number; leaf: string; hash: string }> => {
    const [row] = await raw.rows(
      `select sequence, leaf, hash from entries where action = '${action}' order by sequence limit 1`,
    );
    return { ...row, sequence: Number(row.sequence) };
  };

  /** Edits, verifies, and puts everything back as it was. */
  const tampered = async (
    edit: (raw: RawDatabase) => Promise<number>,
  ): Promise<{ found: ChainFault | null; at: number }> => {
    await using raw = await openRaw(shared().place);
    const [entries, heads] = [await raw.rows('select * from entries'), await raw.rows('select * from row_heads')];
    const at = await edit(raw);
    const found = await verify();
    // What the control plane has entered meanwhile, such as an alarm about this, stays.
    await raw.run(
      `delete from entries where sequence <= ${Math.max(...entries.map(({ sequence }) => Number(sequence)))}`,
    );
    await raw.run('delete from row_heads');
    for (const { sequence, id, at: time, actor, action, subject, leaf, hash: digest } of entries) {
      const texts = [id, actor, action, subject, leaf, digest].map(quote);
      const [i, a, b, c, l, d] = texts;
      await raw.run(`insert into entries (sequence, id, at, actor, action, subject, leaf, hash)
        values (${sequence}, ${i}, ${time}, ${a}, ${b}, ${c}, ${l}, ${d})`);
    }
    for (const { row_id, sequence, digest } of heads) {
      await raw.run(`insert into row_heads (row_id, sequence, digest) values ('${row_id}', ${sequence}, '${digest}')`);
    }
    return { found, at };
  };

  it('finds nothing in a ledger that nobody touched', async () => {
    assert.equal(await verify(), null);
  });

  it('finds an edited leaf', async () => {
    const { found, at } = await tampered(async (raw) => {
      const { sequence, leaf } = await entry(raw, 'key.issued');
      const edited = canonicalJson({ ...JSON.parse(leaf), actor: 'tok_somebody' });
      await raw.run(`update entries set leaf = ${quote(edited)} where sequence = ${sequence}`);
      return sequence;
    });
    assert.equal(found?.sequence, at);
  });

  it('finds an edited leaf with its hash made anew', async () => {
    const { found, at } = await tampered(async (raw) => {
      const { sequence, leaf } = await entry(raw, 'key.issued');
      const edited = canonicalJson({ ...JSON.parse(leaf), actor: 'tok_somebody' });
      const digest = hash('sha256', edited, 'hex');
      await raw.run(
        `update entries set actor = 'tok_somebody', leaf = ${quote(edited)}, hash = '${digest}' where sequence = ${sequence}`,
      );
      return sequence;
    });
    assert.equal(found?.sequence, at + 1);
  });

  it('finds a leaf that says the same in another form', async () => {
    const { found, at } = await tampered(async (raw) => {
      const { sequence, leaf } = await entry(raw, 'key.issued');
      const edited = JSON.stringify(JSON.parse(leaf), null, 1);
      const digest = hash('sha256', edited, 'hex');
      await raw.run(`update entries set leaf = ${quote(edited)}, hash = '${digest}' where sequence = ${sequence}`);
      return sequence;
    });
    assert.equal(found?.sequence, at);
  });

  it('finds a missing entry, in the middle and at the end', async () => {
    const middle = await tampered(async (raw) => {
      const { sequence } = await entry(raw, 'key.issued');
      await raw.run(`delete from entries where sequence = ${sequence}`);
      return sequence;
    });
    assert.equal(middle.found?.sequence, middle.at);
    const end = await tampered(async (raw) => {
      const [{ last }] = await raw.rows('select max(sequence) as last from entries');
      await raw.run(`delete from entries where sequence = ${last}`);
      return Number(last);
    });
    assert.equal(end.found?.sequence, end.at);
  });

  it('finds a swapped pair', async () => {
    const { found, at } = await tampered(async (raw) => {
      const { sequence } = await entry(raw, 'key.issued');
      await raw.run(`update entries set sequence = -1 where sequence = ${sequence}`);
      await raw.run(`update entries set sequence = ${sequence} where sequence = ${sequence + 1}`);
      await raw.run(`update entries set sequence = ${sequence + 1} where sequence = -1`);
      return sequence;
    });
    assert.equal(found?.sequence, at);
  });

  it('finds an edited, a missing and an added newest digest of a row', async () => {
    const key = "(select min(row_id) from row_heads where row_id like 'key%')";
    for (const statement of [
      `update row_heads set digest = '${'0'.repeat(64)}' where row_id = ${key}`,
      // Beyond every entry, where nothing says what it should be.
      `update row_heads set digest = '${'0'.repeat(64)}', sequence = 9000000000000000 where row_id = ${key}`,
      `delete from row_heads where row_id = ${key}`,
      `insert into row_heads (row_id, sequence, digest) values ('key_added', 1, '${'0'.repeat(64)}')`,
    ]) {
      const { found } = await tampered(async (raw) => {
        await raw.run(statement);
        return 0;
      });
      assert.notEqual(found, null, statement);
    }
    assert.equal(await verify(), null);
  });

  it('finds an entry that is searched by something else than it says', async () => {
    for (const column of ['action', 'actor', 'subject', 'id']) {
      const { found, at } = await tampered(async (raw) => {
        const { sequence } = await entry(raw, 'key.issued');
        await raw.run(`update entries set ${column} = 'hidden' where sequence = ${sequence}`);
        return sequence;
      });
      assert.equal(found?.sequence, at, column);
    }
    const { found, at } = await tampered(async (raw) => {
      const { sequence } = await entry(raw, 'key.issued');
      await raw.run(`update entries set at = at + 1 where sequence = ${sequence}`);
      return sequence;
    });
    assert.equal(found?.sequence, at, 'at');
  });

  it('believes no entry that gives entries up and is none of the log', async () => {
    const leafOf = (sequence: number) =>
      canonicalJson({
        ...{ v: 1, installation: 'inst_x', sequence, id: 'entry_x', at: '2026-01-01T00:00:00.000Z', previous: null },
        ...{ actor: 'tok_x', action: 'log.pruned', subject: 'inst_x', code: 'up-to-256', changes: [], side: null },
      });
    for (const where of ['in the place of another', 'beyond the head'] as const) {
      const { found } = await tampered(async (raw) => {
        const [{ last }] = await raw.rows('select max(sequence) as last from entries');
        const sequence = where === 'beyond the head' ? 9_000_000_000_000_000 : Number(last);
        const leaf = leafOf(sequence);
        const row = [sequence, "'entry_x'", 1, "'tok_x'", "'log.pruned'", "'inst_x'", quote(leaf)];
        await raw.run(`delete from entries where sequence = ${sequence}`);
        await raw.run(`insert into entries (sequence, id, at, actor, action, subject, leaf, hash)
          values (${row.join()}, '${hash('sha256', leaf, 'hex')}')`);
        return sequence;
      });
      await using raw = await openRaw(shared().place);
      await raw.run('delete from entries where sequence = 9000000000000000');
      if (where === 'beyond the head') assert.equal(found, null, 'it is no entry, and says nothing');
      else assert.notEqual(found, null, where);
    }
  });
});
