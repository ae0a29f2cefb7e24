import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TILE_WIDTH } from '@keyhold/protocol/log/tile';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { openRaw } from '../testing/raw-database.ts';
import { change } from '../testing/witnessed.ts';

type Alarm = Readonly<Record<'code' | 'subject' | 'detail', string>>;

async function forgeries({ call }: TestInstallation): Promise<Alarm[]> {
  const { alarms } = (await call('GET', '/v1/installation')).body;
  return (alarms as Alarm[]).filter(({ code }) => code === 'LOG_FORGED');
}

async function fillTiles(installation: TestInstallation): Promise<void> {
  for (let done = 0; done < 2 * TILE_WIDTH; done += 32) {
    await Promise.all(Array.from({ length: 32 }, (_, i) => change(installation, `filled-${done + i}`)));
  }
  const { sequence } = (await installation.call('GET', '/v1/audit/log')).body;
  assert.equal((await installation.call('GET', `/v1/audit/entries/${sequence}/receipt`)).status, 200);
}

function flipped(column: string): string {
  return `${column} = (case when substr(${column}, 1, 1) = '0' then '1' else '0' end) || substr(${column}, 2)`;
}

onEachDatabase('an alarm of the log', (createPlace) => {
  it('accuses no entries where tiles were edited alone, also of entries that were given up', async () => {
    for (const isPruned of [false, true]) {
      for (const edit of [`${flipped('hashes')}, subtrees = null`, flipped('subtrees')]) {
        // Those hashes are all that there is of them.
        if (isPruned && edit.startsWith('hashes')) continue;
        await using place = await createPlace();
        {
          await using installation = await startInstallation(place);
          await fillTiles(installation);
          const before = new Date().toISOString();
          if (isPruned) assert.equal((await installation.call('POST', '/v1/audit/prune', { before })).status, 200);
        }
        {
          await using raw = await openRaw(place);
          await raw.run(`update log_tiles set ${edit} where level = 0 and number = 0`);
        }
        await using installation = await startInstallation(place);
        await change(installation, 'after');
        const { sequence } = (await installation.call('GET', '/v1/audit/log')).body;
        assert.equal((await installation.call('GET', `/v1/audit/entries/${sequence}/receipt`)).status, 200);
        const { id } = (await installation.call('GET', '/v1/installation')).body;
        const subjects = (await forgeries(installation)).map(({ subject }) => subject);
        assert.deepEqual(subjects, [`${id}/tiles`], `${edit}, given up: ${isPruned}`);
      }
    }
  });

  it('is raised, and nothing is proven, where kept hashes were changed whose entries were given up', async () => {
    await using place = await createPlace();
    {
      await using installation = await startInstallation(place);
      await fillTiles(installation);
      const before = new Date().toISOString();
      assert.equal((await installation.call('POST', '/v1/audit/prune', { before })).status, 200);
    }
    {
      await using raw = await openRaw(place);
      await raw.run(`update log_tiles set ${flipped('hashes')} where level = 0 and number = 0`);
    }
    await using installation = await startInstallation(place);
    const { size } = (await installation.call('GET', '/v1/audit/log')).body;
    for (const path of [
      '/v1/audit/proofs/inclusion?sequence=1',
      `/v1/audit/proofs/range?from=${size}&to=${size}`,
      '/v1/audit/proofs/consistency?from=300',
      `/v1/audit/entries/${size}/receipt`,
      '/audit/tile/0/000',
    ]) {
      const { status, body } = await installation.call('GET', path);
      assert.deepEqual([status, body.code], [409, 'LOG_FORGED'], path);
    }
    const { id } = (await installation.call('GET', '/v1/installation')).body;
    assert.ok((await forgeries(installation)).some(({ subject }) => subject === id));
  });

  it('that tiles were made anew, of whatever was there, or a checkpoint forgotten, hides no forged tree', async () => {
    await using place = await createPlace();
    {
      await using installation = await startInstallation(place);
      await fillTiles(installation);
    }
    {
      await using raw = await openRaw(place);
      await raw.run(`update log_tiles set ${flipped('subtrees')} where level = 0 and number = 0`);
      // One that is not full yet, which nothing can be made of.
      const unmade = `'01/00000000000000', 1, 0, '${'00'.repeat(32 * TILE_WIDTH)}', '${'11'.repeat(32 * 16)}'`;
      await raw.run(`insert into log_tiles (id, level, number, hashes, subtrees) values (${unmade})`);
      await raw.run("update log_checkpoints set note = 'no note' where kind = 'signed'");
    }
    await using installation = await startInstallation(place);
    const { id } = (await installation.call('GET', '/v1/installation')).body;
    await eventually('the tiles were looked at', async () => (await forgeries(installation)).length === 2);
    assert.deepEqual((await forgeries(installation)).map(({ subject }) => subject).sort(), [
      `${id}/checkpoint`,
      `${id}/tiles`,
    ]);
    await using raw = await openRaw(place);
    await raw.run(`update ledger_head set tree = '${'00'.repeat(32)}' || substr(tree, 65)`);
    await change(installation, 'after');
    await eventually('the forged tree is told', async () =>
      (await forgeries(installation)).some(({ subject, detail }) => subject === id && detail.includes('tree')),
    );
    await eventually('it is entered', async () => {
      const { items } = (await installation.call('GET', '/v1/audit/entries?action=alarm.raised')).body;
      return (items as Alarm[]).some(({ subject }) => subject === id);
    });
  });
});
