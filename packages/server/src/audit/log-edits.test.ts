import assert from 'node:assert/strict';
import { it } from 'node:test';
import { readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { readNote } from '@keyhold/protocol/log/signed-note';
import { onEachDatabase } from '../testing/databases.ts';
import { startInstallation, type TestInstallation } from '../testing/installation.ts';
import { createMarket } from '../testing/market.ts';
import { openRaw, type RawDatabase } from '../testing/raw-database.ts';

interface Shown {
  readonly alarms: readonly string[];
  readonly note: string;
  readonly size: number;
  readonly receipt: number;
}

async function look(installation: TestInstallation): Promise<Shown> {
  const { sequence } = (await installation.call('GET', '/v1/audit/log')).body;
  const receipt = (await installation.call('GET', `/v1/audit/entries/${sequence ?? 1}/receipt`)).status;
  const note = await (await fetch(new URL('/audit/checkpoint', installation.controlUrl))).text();
  const { alarms } = (await installation.call('GET', '/v1/installation')).body;
  const size = readCheckpoint(readNote(note)?.text ?? '')?.size ?? 0;
  return { alarms: alarms.map(({ code }: { code: string }) => code), note, size, receipt };
}

onEachDatabase('what is published of the log', (createPlace) => {
  /** Starts, ends, edits the database, and looks at what a new start makes of it. */
  async function afterEdit(edit: (raw: RawDatabase, before: Shown) => Promise<void>) {
    await using place = await createPlace();
    let before: Shown;
    {
      await using installation = await startInstallation(place);
      await (await createMarket(installation)).issue();
      before = await look(installation);
      assert.deepEqual([before.alarms, before.receipt], [[], 200]);
    }
    {
      await using raw = await openRaw(place);
      await edit(raw, before);
    }
    await using again = await startInstallation(place);
    return { before, after: await look(again) };
  }

  it('is no checkpoint that somebody wrote into the database, of whatever size', async () => {
    for (const how of ['larger', 'another root', 'unsigned'] as const) {
      const { before, after } = await afterEdit(async (raw, { note }) => {
        const [, , root = ''] = note.split('\n');
        const forged = {
          larger: note.replace(/\n\d+\n/, '\n1000000000\n'),
          'another root': note.replace(root, Buffer.alloc(32, 7).toString('base64')),
          unsigned: note.replace(/\n\n[\s\S]*/, '\n\n— somebody AAAAAAAA\n'),
        }[how];
        await raw.run(`update log_checkpoints set size = 1000000000, note = '${forged}' where kind = 'signed'`);
      });
      assert.ok(after.alarms.includes('LOG_FORGED'), how);
      assert.equal(after.receipt, 200, how);
      assert.ok(after.size >= before.size && after.size < 1_000, `${how}: ${after.size}`);
    }
  });

  it('is signed by the keys that the ledger knows and by no others, also where those were deleted', async () => {
    const { before, after } = await afterEdit((raw) => raw.run('delete from log_keys'));
    assert.ok(after.alarms.includes('ROW_TAMPERED'));
    assert.equal(after.receipt, 409);
    assert.ok(after.size <= before.size);
    const half = await afterEdit((raw) => raw.run("delete from log_keys where algorithm = 'ed25519'"));
    assert.ok(half.after.alarms.includes('ROW_TAMPERED'));
    assert.equal(half.after.receipt, 409);
  });
});
