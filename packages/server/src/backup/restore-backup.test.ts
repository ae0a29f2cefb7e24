import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../clock.ts';
import { openPostgres, openSqlite, type Store } from '../database/store.ts';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { RestoreRefused, restoreBackup } from './restore-backup.ts';
import { writeBackup } from './write-backup.ts';

/** Something that is in a row, and in no word about it. */
const CONTENT = 'what nobody else may read';

type Line = readonly unknown[] | Readonly<Record<string, unknown>> | string | number | null;

/** A backup's lines before its manifest, as what they say. */
async function linesOf(place: TestPlace): Promise<Line[]> {
  await using own = await openOwnVault(place);
  const { lines } = writeBackup(own.store, systemClock);
  const text = await new Response(lines).text();
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

const bytesOf = (line: Line) => Buffer.from(`${JSON.stringify(line)}\n`);

/** With a digest that fits, as who made the backup would write it. */
function withDigest(lines: readonly Line[]): Line[] {
  const digest = createHash('sha256');
  for (const line of lines) digest.update(bytesOf(line));
  return [...lines, { rows: {}, sha256: digest.digest('hex') }];
}

async function* streamOf(lines: readonly Line[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield bytesOf(line);
}

const open = ({ folder, databaseUrl }: TestPlace): Promise<Store> =>
  databaseUrl === undefined ? openSqlite(join(folder, 'keyhold.db')) : openPostgres(databaseUrl);

onEachDatabase('a backup whose lines do not fit', (createPlace) => {
  it('is refused by the name of the table, row or entry and nothing of what is in it, and leaves nothing', async () => {
    await using place = await createPlace();
    const whole = await linesOf(place);
    const lines = whole.slice(0, -1);
    const at = lines.findIndex((line) => Array.isArray(line) && line[0] === 'projects');
    const [, project] = lines[at] as [string, Record<string, unknown>];
    const { slug: _, ...without } = project;
    const withRow = (row: unknown) => withDigest(lines.with(at, ['projects', row] as Line));
    const atEntry = lines.findIndex((line) => Array.isArray(line) && line[0] === 'entries');
    const [, entry] = lines[atEntry] as [string, Record<string, unknown>];
    const { sequence } = entry;
    const withLeaf = (leaf: string) => withDigest(lines.with(atEntry, ['entries', { ...entry, leaf }]));
    const withHeader = (changes: object) => withDigest(lines.with(0, { ...(lines[0] as object), ...changes }));
    const cases: readonly (readonly [lines: readonly Line[], why: RegExp])[] = [
      [withRow({ ...project, [CONTENT]: 1 }), /^a row of projects does not fit here/],
      [withRow({ ...project, created_at: [CONTENT] }), /^a row of projects does not fit here/],
      [withRow({ ...project, slug: null, name: CONTENT }), /^a row of projects does not fit here/],
      [withRow(without), /^a row of projects does not fit here/],
      [withRow({}), /^a row of projects does not fit here/],
      [withRow({ ...project, name: CONTENT }), new RegExp(`^${project['id']} is not what was recorded`)],
      [withLeaf(CONTENT), new RegExp(`^entry ${sequence}: `)],
      ...[null, CONTENT, 7, [project]].map((row) => [withRow(row), /^a row of projects is none/] as const),
      [withHeader({ sequence: CONTENT }), /not a backup of this version/],
      [withHeader({ installation: null }), /not a backup of this version/],
      [withDigest(lines.with(0, null)), /not a backup of this version/],
      ...[null, CONTENT, 7, {}, { rows: null, sha256: 'x' }, { rows: {}, sha256: 7 }].map(
        (manifest) => [[...lines, manifest as Line], /^its last line is no manifest/] as const,
      ),
    ];
    await using target = await createPlace();
    await using store = await open(target);
    for (const [given, why] of cases) {
      const refused = await restoreBackup(store, streamOf(given)).then(
        () => assert.fail(`restored: ${why}`),
        (error: unknown) => error,
      );
      assert.ok(refused instanceof RestoreRefused, String((refused as Error).stack));
      assert.match(refused.message, why);
      assert.deepEqual([refused.step, refused.message.includes(CONTENT)], ['restore', false]);
    }
    const { rows } = await restoreBackup(store, streamOf(whole));
    assert.equal(rows, lines.length - 1);
  });
});
