import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { smallLog } from '@keyhold/auditor/testing/small-log';
import { runKeyhold } from '../testing/run-keyhold.ts';

const [ENTRIES, PAGE] = [9, 2];
const folder = mkdtempSync(join(tmpdir(), 'keyhold-test-'));
after(() => rmSync(folder, { recursive: true }));

/** A server with a log, of which entries go: after its first page those before `first` are given up, and `missing` is gone. */
async function startServer(first: number, missing = 0) {
  const log = smallLog(ENTRIES);
  const entries = log.exported(1, ENTRIES).trim().split('\n').slice(1);
  let begin = 1;
  const page = (from: number, to: number) => {
    const there = entries.map((text) => JSON.parse(text)).filter(({ sequence }) => sequence !== missing);
    const rest = there.filter(({ sequence }) => sequence >= Math.max(from, begin) && sequence <= to);
    const items = rest.slice(0, PAGE);
    return { items, nextCursor: rest.length > PAGE ? String(items.at(-1).sequence + 1) : null };
  };
  const answer = (url: URL) => {
    const [from, to] = ['from', 'to'].map((name) => Number(url.searchParams.get(name)));
    if (url.pathname === '/v1/audit/log') {
      return { keys: log.keys.split('\n'), first: begin, sequence: ENTRIES, witnessedSize: null };
    }
    if (url.pathname === '/v1/audit/entries') {
      const items = page(Number(url.searchParams.get('cursor') ?? from), to as number);
      begin = first;
      return items;
    }
    const { 'keyhold-log-export': _, ...proof } = JSON.parse(
      log.exported(from as number, to as number).split('\n')[0] as string,
    );
    return proof;
  };
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer(new URL(url as string, 'http://server'))));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const env = { KEYHOLD_URL: `http://127.0.0.1:${port}`, KEYHOLD_TOKEN: 'none', KEYHOLD_DATA: '/nowhere' };
  const [output, trust] = [join(folder, 'export.jsonl'), join(folder, 'trust')];
  writeFileSync(trust, log.keys);
  return {
    exported: async (...range: string[]) => {
      const named = range.includes('--output') ? [] : ['--output', output];
      const { code, stderr } = await runKeyhold(['audit', 'export', ...named, ...range], { env });
      return { code, stderr, isThere: existsSync(output) };
    },
    verify: () => runKeyhold(['audit', 'verify', '--trust', trust], { env }),
    [Symbol.dispose]: () => void server.close(),
  };
}

it('an export is written whole or not at all: not with entries that were given up, before it or meanwhile', async () => {
  using server = await startServer(6);
  const besides = join(folder, 'export.jsonl.partial');
  writeFileSync(besides, 'somebody keeps this');
  const meanwhile = await server.exported();
  assert.match(meanwhile.stderr, /entries up to 5 were given up/);
  assert.deepEqual([meanwhile.code, meanwhile.isThere], [2, false]);
  const [before, within] = [await server.exported('--from', '1'), await server.exported('--from', '2', '--to', '3')];
  for (const one of [before, within]) {
    assert.match(one.stderr, /entries up to 5 were given up/);
    assert.deepEqual([one.code, one.isThere], [2, false]);
  }
  assert.deepEqual(await server.exported(), { code: 0, stderr: '', isThere: true });
  assert.equal(readFileSync(besides, 'utf8'), 'somebody keeps this');
  rmSync(besides);
  assert.deepEqual(readdirSync(folder).sort(), ['export.jsonl', 'trust'], 'and nothing is left beside it');
  rmSync(join(folder, 'export.jsonl'));
});

it('an export into a folder that is not there is wrong usage, and no fault', async () => {
  using server = await startServer(1);
  const { code, stderr } = await server.exported('--output', join(folder, 'absent', 'export.jsonl'));
  assert.match(stderr, /^keyhold: a file cannot be used \(ENOENT\)$/m);
  assert.equal(code, 2);
});

it('an export is not written where an entry is missing, and says so', async () => {
  using server = await startServer(1, 4);
  const { code, stderr, isThere } = await server.exported();
  assert.match(stderr, /entry 4 is MISSING from the log: nobody gave it up/);
  assert.deepEqual([code, isThere], [1, false]);
});

it('a log of which entries are given up while it is verified verifies from there on; a missing one is told of', async () => {
  using server = await startServer(6);
  const { code, stdout } = await server.verify();
  assert.match(stdout, /^It verifies: 4 entries, up to entry 9 of 9\./);
  assert.equal(code, 0);
  using other = await startServer(1, 4);
  const refused = await other.verify();
  assert.match(refused.stdout, /^IT DOES NOT VERIFY\. At entry 4: entry 5 stands where 4 must\./);
  assert.equal(refused.code, 1);
});
