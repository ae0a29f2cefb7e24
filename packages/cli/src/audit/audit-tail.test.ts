import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { it } from 'node:test';
import type { Entry } from '@keyhold/protocol/operations/audit';
import { createPlace } from '@keyhold/server/testing/databases';
import { eventually } from '@keyhold/server/testing/eventually';
import { startProcessInstallation } from '@keyhold/server/testing/process-installation';
import { cleanEnvironment, MAIN, runKeyhold } from '../testing/run-keyhold.ts';

/** `keyhold audit tail …`, with what it has printed so far. */
function startTail(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [MAIN, 'audit', 'tail', ...args], { env: cleanEnvironment(env) });
  const printed = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (printed.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (printed.stderr += text));
  return { printed, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

it('prints each entry once it is there, each once and in order, also over a server that is gone for a while', async () => {
  await using place = await createPlace('sqlite');
  await using installation = await startProcessInstallation(place);
  const env = {
    KEYHOLD_URL: installation.controlUrl,
    KEYHOLD_TOKEN: installation.bootstrapToken,
    KEYHOLD_DATA: place.folder,
  };
  const begin = (await installation.call('GET', '/v1/installation')).body.sequence + 1;
  using tail = startTail(['--from', String(begin), '--json-lines'], env);
  const seen = () =>
    tail.printed.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Entry]));
  const make = async (slug: string) => {
    const { status, headers } = await installation.call('POST', '/v1/projects', { slug, name: slug });
    assert.equal(status, 201);
    const entry = Number(headers.get('keyhold-entry'));
    await eventually(`${slug} is printed`, async () => seen().some(({ sequence }) => sequence === entry));
  };
  await make('one');
  await make('two');
  await installation.control.kill();
  await eventually('it says that nobody answers', async () =>
    /does not answer; trying again/.test(tail.printed.stderr),
  );
  await installation.startControl();
  await make('three');
  const sequences = seen().map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.map((_, i) => begin + i),
  );
  assert.equal(tail.printed.stderr.match(/does not answer/g)?.length, 1, 'once, not each second');
});

it('prints an entry as one line, whatever is in it', async () => {
  const at = '2026-01-01T00:00:00.000Z';
  const entry = { sequence: 9, id: 'entry_9', at, actor: 'a', action: 'b', subject: 'c\u001b[2J\nd\u202e' };
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ items: [entry], nextCursor: null }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const env = { KEYHOLD_URL: `http://127.0.0.1:${port}`, KEYHOLD_TOKEN: 'none', KEYHOLD_DATA: '/nowhere' };
  const { stdout } = await runKeyhold(['audit', 'tail', '--from', '9', '--to', '9'], { env });
  server.close();
  assert.match(stdout, /^ +9 {2}\S+ {2}b +c\\u001b\[2J\\u000ad\\u202e {2}by a\n$/);
});

it('says which entries it can not print: which were given up, and which are missing', async () => {
  const entry = { id: 'entry_9', at: '2026-01-01T00:00:00.000Z', actor: 'a', action: 'b', subject: 'c' };
  let first = 9;
  // What is still there begins behind what is asked for.
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', 'application/json');
    const log = { first, sequence: 9 };
    const page = { items: [{ ...entry, sequence: 9 }], nextCursor: null };
    response.end(JSON.stringify(url?.startsWith('/v1/audit/log') ? log : page));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const env = { KEYHOLD_URL: `http://127.0.0.1:${port}`, KEYHOLD_TOKEN: 'none', KEYHOLD_DATA: '/nowhere' };
  const tail = async (to: number) => {
    const { code, stdout, stderr } = await runKeyhold(['audit', 'tail', '--from', '4', '--to', `${to}`], { env });
    return { code, printed: stdout.trim().split(/\s+/)[0], notes: stderr.split('\n').filter((line) => line !== '') };
  };
  const given = (end: number) => `Entries 4 to ${end} are not there any more: they were given up.`;
  const missing = (start: number, end: number) =>
    `Entries ${start} to ${end} are MISSING from the log: nobody gave them up.`;
  assert.deepEqual(await tail(9), { code: 0, printed: '9', notes: [given(8)] });
  first = 6;
  assert.deepEqual(await tail(9), { code: 1, printed: '9', notes: [given(5), missing(6, 8)] });
  first = 1;
  assert.deepEqual(await tail(7), { code: 1, printed: '', notes: [missing(4, 7)] });
  server.close();
});

/** A server whose log has nine entries, and then is put back to eight: with a rollback that was accepted, or without. */
async function withShrinkingLog(
  isRollback: (sequence: number, end: number) => boolean,
  work: (env: Record<string, string>, end: (is: number) => void) => Promise<void>,
): Promise<void> {
  const at = '2026-01-01T00:00:00.000Z';
  const actionOf = (sequence: number) => (isRollback(sequence, end) ? 'rollback.accepted' : 'key.revoked');
  let end = 9;
  const server = createServer(({ url }, response) => {
    const { pathname, searchParams } = new URL(url as string, 'http://server');
    const all = Array.from({ length: end }, (_, i) => ({ sequence: i + 1, action: actionOf(i + 1) }));
    const there = all.filter(
      ({ sequence, action }) =>
        sequence >= Number(searchParams.get('from') ?? 1) && action === (searchParams.get('action') ?? action),
    );
    const items = there.map((entry) => ({ ...entry, id: 'entry', at, actor: 'a', subject: `key_${end}` }));
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify(pathname === '/v1/audit/log' ? { first: 1, sequence: end } : { items, nextCursor: null }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const env = { KEYHOLD_URL: `http://127.0.0.1:${port}`, KEYHOLD_TOKEN: 'none', KEYHOLD_DATA: '/nowhere' };
  await work(env, (is) => (end = is)).finally(() => server.close());
}

const linesOf = (stdout: string) =>
  stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Entry]));

it('says that the log was put back, and goes on with what is entered since', () =>
  withShrinkingLog(
    (sequence, end) => end < 9 && sequence === 7,
    async (env, end) => {
      using tail = startTail(['--from', '9', '--json-lines'], env);
      const seen = () => linesOf(tail.printed.stdout);
      await eventually('what is there is printed', async () => seen().length === 1);
      end(8);
      await eventually('what is new is printed', async () => seen().length === 3);
      assert.deepEqual(
        seen().map(({ sequence, subject }) => [sequence, subject]),
        [
          [9, 'key_9'],
          [7, 'key_8'],
          [8, 'key_8'],
        ],
      );
      assert.match(tail.printed.stderr, /The log was put back: it ends at entry 8, and 9 was there before\./);
      end(9);
      await eventually('it goes on', async () => seen().length === 4);
    },
  ));

it('prints nothing again where a log is put back behind a rollback of before', () =>
  withShrinkingLog(
    (sequence) => sequence === 3,
    async (env, end) => {
      using tail = startTail(['--from', '9', '--json-lines'], env);
      const seen = () => linesOf(tail.printed.stdout);
      await eventually('what is there is printed', async () => seen().length === 1);
      end(8);
      await eventually('it says so', async () => tail.printed.stderr.includes('The log was put back'));
      end(10);
      await eventually('it goes on', async () => seen().length === 3);
      assert.deepEqual(
        seen().map(({ sequence }) => sequence),
        [9, 9, 10],
      );
    },
  ));
