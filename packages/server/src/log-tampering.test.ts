import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { it } from 'node:test';
import { onEachDatabase, type TestPlace } from './testing/databases.ts';
import { fetchCheckpoint, fetchTile, pathsOf, sizeOf } from './testing/downloaded-log.ts';
import { entryWriters } from './testing/entry-writers-module.ts';
import { type ProcessInstallation, startProcessInstallation } from './testing/process-installation.ts';
import { openRaw, type RawDatabase } from './testing/raw-database.ts';
import { untilWritten } from './testing/until-written.ts';

/** So many that tiles lie over tiles: 257 are full. */
const ENTRIES = 66_000;
/** The last of them, and the one that is edited, lie in no tile that is full. */
const [FEW, EDITED] = [300, 290];

onEachDatabase('a log whose database is edited', (createPlace) => {
  it('makes missing and edited tiles anew from the entries, to the same bytes, and says so', async (t) => {
    await using place = await createPlace();
    await using installation = await startWritten(place);
    const tiles = await hashTiles(installation);
    const published = pathsOf(tiles.size).filter((path) => !path.startsWith('tile/entries/'));
    const remakes = async (alarms: number, edit: (raw: RawDatabase) => Promise<void>) => {
      await editStopped(installation, place, edit);
      await writeOne(installation);
      assert.deepEqual((await hashTiles(installation, published)).bytes, tiles.bytes);
      assert.equal((await forgeries(installation)).length, alarms);
    };
    await remakes(0, (raw) => raw.run('delete from log_tiles'));
    await remakes(0, (raw) => raw.run('delete from log_tiles where level = 0 and number = 5'));
    for (const [column, level, number] of [
      ['hashes', 0, 3],
      ['hashes', 0, 256],
      ['hashes', 1, 0],
      ['subtrees', 0, 3],
    ]) {
      await remakes(1, async (raw) => {
        const where = `where level = ${level} and number = ${number}`;
        const [{ kept }] = await raw.rows(`select ${column} as kept from log_tiles ${where}`);
        await raw.run(`update log_tiles set ${column} = '${flippedHex(kept, 377)}' ${where}`);
      });
    }
    t.diagnostic(`${published.length} tiles of ${tiles.size} entries`);
  });

  it('signs nothing of an edited entry or an edited tree, and raises an alarm', async () => {
    await using place = await createPlace();
    await using installation = await startWritten(place, FEW);
    const [last] = await stopped(installation, place, (raw) =>
      raw.rows(`select sequence, leaf, hash from entries where sequence = ${EDITED}`),
    );
    // A start writes too: from here on nobody does.
    await writeOne(installation);
    const before = sizeOf((await fetchCheckpoint(installation)) as Uint8Array);
    const edited = last.leaf.replace('"actor":"system"', '"actor":"nobody"');
    assert.notEqual(edited, last.leaf);
    const write = (leaf: string) => (raw: RawDatabase) =>
      raw.run(
        `update entries set leaf = '${leaf}', hash = '${hash('sha256', leaf, 'hex')}' where sequence = ${EDITED}`,
      );
    await editStopped(installation, place, write(edited));
    await signsNothing(installation, before);
    await editStopped(installation, place, write(last.leaf));
    await writeOne(installation);
    const size = sizeOf((await fetchCheckpoint(installation)) as Uint8Array);
    // Of too few subtrees for its size too: changes go on, each in its place.
    for (const edit of [(tree: string) => flippedHex(tree, 3), (tree: string) => tree.slice(64)]) {
      await editStopped(installation, place, async (raw) => {
        const [{ tree }] = await raw.rows('select tree from ledger_head');
        await raw.run(`update ledger_head set tree = '${edit(tree)}'`);
      });
      await signsNothing(installation, size);
    }
  });
});

/** A control plane that has written so many entries, and then stopped writing. */
async function startWritten(place: TestPlace, entries = ENTRIES): Promise<ProcessInstallation> {
  const file = `${place.folder}.acknowledged`;
  await using stack = new AsyncDisposableStack();
  const imports = [entryWriters({ until: entries, file, writers: entries < 1_000 ? 8 : 256 })];
  const installation = stack.use(await startProcessInstallation(place, { imports }));
  await installation.call('POST', '/v1/tokens', { name: 'begin', scopes: ['read'] });
  await untilWritten(installation, entries);
  await writeOne(installation);
  rmSync(file, { force: true });
  stack.move();
  return installation;
}

/** A change whose receipt has to be there: what is committed is signed. */
async function writeOne(installation: ProcessInstallation): Promise<void> {
  const status = await receiptOfNew(installation);
  assert.equal(status, 200);
}

async function receiptOfNew({ call }: ProcessInstallation): Promise<number> {
  assert.equal((await call('POST', '/v1/tokens', { name: 'one', scopes: ['read'] })).status, 201);
  const { body } = await call('GET', '/v1/audit/log');
  return (await call('GET', `/v1/audit/entries/${body.sequence}/receipt`)).status;
}

async function signsNothing(installation: ProcessInstallation, size: number): Promise<void> {
  assert.equal(await receiptOfNew(installation), 409);
  assert.equal(sizeOf((await fetchCheckpoint(installation)) as Uint8Array), size);
  assert.equal((await forgeries(installation)).length, 1);
}

async function forgeries({ call }: ProcessInstallation): Promise<unknown[]> {
  const { alarms } = (await call('GET', '/v1/installation')).body;
  return (alarms as { code: string }[]).filter(({ code }) => code === 'LOG_FORGED');
}

async function hashTiles(
  installation: ProcessInstallation,
  paths?: readonly string[],
): Promise<{ size: number; bytes: ReadonlyMap<string, string> }> {
  const size = sizeOf((await fetchCheckpoint(installation)) as Uint8Array);
  const bytes = new Map<string, string>();
  for (const path of paths ?? pathsOf(size).filter((path) => !path.startsWith('tile/entries/'))) {
    bytes.set(path, Buffer.from(await fetchTile(installation, path)).toString('hex'));
  }
  return { size, bytes };
}

/** Looks into the database while nobody runs on it, and starts again. */
async function stopped<T>(
  installation: ProcessInstallation,
  place: TestPlace,
  look: (raw: RawDatabase) => Promise<T>,
): Promise<T> {
  await installation.control.kill();
  let found: T;
  {
    await using raw = await openRaw(place);
    found = await look(raw);
  }
  await installation.startControl();
  return found;
}

const editStopped = stopped<void>;

function flippedHex(hex: string, at: number): string {
  const bytes = Buffer.from(hex, 'hex');
  bytes[at] = (bytes[at] as number) ^ 1;
  return bytes.toString('hex');
}
